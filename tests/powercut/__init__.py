"""Power cuts at the block device, under the live agent: `python -m tests.powercut --states 300 --seed 1`."""
