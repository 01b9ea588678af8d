"""The simulation: the real agent under a virtual clock, with everything around it made up from one seed."""
