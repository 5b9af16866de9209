"""durability: load with unique ids and kill -9 at random moments: none that got 250 may be lost. The short form is in tests/system."""
import argparse
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import durability  # noqa: E402  (this file's namesake there: the script itself is __main__)

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--kills", type=int, default=200)
options.add_argument("--clients", type=int, default=4)
options.add_argument("--seed", type=int, default=None, help="the same moments again")
options.add_argument("--what", default="relay,courier,all,scan", help="who is killed, by chance: relay, courier (the relay in mid-delivery), scan, all")
chosen = options.parse_args()

tally = durability.run(chosen.kills, tuple(chosen.what.split(",")), chosen.clients, seed=chosen.seed, say=lambda text: print(text, flush=True))
print("%d kills: %s" % (chosen.kills, tally))
sys.exit(1 if tally.lost or tally.waiting else 0)
