"""What serves whom: commands in, deployments out, every decision journalled."""
