"""`penstock doctor`: a round trip through every hop that names the broken one."""
