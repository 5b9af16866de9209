"""accuracy: how well the statistical filter tells spam from ham, beside bogofilter on the same messages in the same run.

script/bench accuracy CORPUS [--protocol random,date,batch] [--noise 0.1] [--rate 0.5] [--limit N] [--no-peer]

CORPUS has order-random.txt and order-date.txt ("spam PATH", judged, then learned) and train.tsv, test.tsv ("PATH<tab>label"; the first learned, the second judged).
Figures: (1-AUC)% with a bootstrap 95 % interval, spam missed where 0.1, 0.5 and 1 % of ham are lost, lam% at the filter's own threshold.
"""
import argparse
import math
import os
import random
import re
import subprocess
import tempfile
import time


def read_index(corpus, name):
    with open(os.path.join(corpus, name)) as f:
        if name.endswith(".tsv"):
            rows = [line.rstrip("\n").split("\t") for line in f][1:]
            return [(label, path) for path, label in rows]
        return [tuple(line.split(None, 1)) for line in map(str.rstrip, f) if line]


def area(rows):
    """(1-AUC)%: how often a ham scores above a spam; equal scores count half."""
    rows = sorted(rows)
    spams = sum(1 for _, is_spam in rows if is_spam)
    below = wrong = i = 0
    while i < len(rows):
        j = i
        while j < len(rows) and rows[j][0] == rows[i][0]:
            j += 1
        tied = sum(1 for _, is_spam in rows[i:j] if is_spam)
        wrong += (j - i - tied) * (below + tied / 2)
        below += tied
        i = j
    return 100 * wrong / max(1, spams * (len(rows) - spams))


def missed(rows, loss):
    """Spam that stays below the threshold at which LOSS of ham is lost, in percent."""
    hams = sorted((score for score, is_spam in rows if not is_spam), reverse=True)
    threshold = hams[min(int(loss * len(hams)), len(hams) - 1)]
    spams = [score for score, is_spam in rows if is_spam]
    return 100 * sum(1 for score in spams if score <= threshold) / len(spams)


def lam(rows):
    """Logistic average of ham lost and spam missed at the threshold 0."""
    hams = [score > 0 for score, is_spam in rows if not is_spam]
    spams = [score <= 0 for score, is_spam in rows if is_spam]
    logit = [math.log((sum(x) + 0.5) / (len(x) - sum(x) + 0.5)) for x in (hams, spams)]
    return 100 / (1 + math.exp(-sum(logit) / 2))


def interval(rows, times=200):
    chance = random.Random(1)
    found = sorted(area([rows[chance.randrange(len(rows))] for _ in rows]) for _ in range(times))
    return found[int(0.025 * times)], found[int(0.975 * times) - 1]


def report(who, what, rows, seconds):
    low, high = interval(rows)
    print("%-11s %-7s (1-AUC)%% %.4f [%.4f, %.4f]  missed at 0.1 %% %5.2f  0.5 %% %5.2f  1 %% %5.2f  lam%% %.3f  %d messages, %.1f s" % (
        who, what, area(rows), low, high, missed(rows, 0.001), missed(rows, 0.005), missed(rows, 0.01), lam(rows), len(rows), seconds), flush=True)


def noisy(index, noise):
    chance = random.Random(7)
    return [({"spam": "ham", "ham": "spam"}[label] if chance.random() < noise else label, path) for label, path in index]


class Postern:
    name = "postern"

    def __init__(self, corpus, directory, rate):
        self.corpus, self.directory, self.rate = corpus, directory, rate
        self.count = 0

    def fresh(self):
        self.count += 1
        return os.path.join(self.directory, "model%d" % self.count)

    def index(self, rows):
        path = os.path.join(self.directory, "index%d" % self.count)
        with open(path, "w") as f:
            f.writelines("%s %s\n" % (label, os.path.join(os.path.abspath(self.corpus), name)) for label, name in rows)
        return path

    def run(self, *words):
        return subprocess.run([os.environ["POSTERN_BIN"], *words], check=True, capture_output=True, text=True).stdout

    def online(self, truth, told):
        model = self.fresh()
        text = self.run("classify", "--index", self.index(told), "--model", model, "--learn", "--rate", self.rate)
        return [(float(s), label == "spam") for s, (label, _) in zip(re.findall(r"score=(\S+)", text), truth)]

    def batch(self, train, test):
        model = self.fresh()
        self.run("train", "--index", self.index(train), "--model", model, "--rate", self.rate)
        self.count += 1
        text = self.run("classify", "--index", self.index(test), "--model", model)
        return [(float(s), label == "spam") for s, (label, _) in zip(re.findall(r"score=(\S+)", text), test)]


class Bogofilter:
    """As Debian ships it. Its spamicity with all digits, less the middle."""
    name = "bogofilter"

    def __init__(self, corpus, directory, rate):
        self.corpus, self.directory, self.count = corpus, directory, 0

    def fresh(self):
        self.count += 1
        self.wordlist = os.path.join(self.directory, "bogo%d" % self.count)
        os.mkdir(self.wordlist)

    def judge(self, path):
        with open(os.path.join(self.corpus, path), "rb") as f:
            text = subprocess.run(["bogofilter", "-d", self.wordlist, "-T", "-T"], stdin=f, capture_output=True, text=True).stdout.split()
        return float(text[0]) - 0.5 if text else 0.0 # before the first message it has no words

    def learn(self, label, path):
        with open(os.path.join(self.corpus, path), "rb") as f:
            subprocess.run(["bogofilter", "-d", self.wordlist, "-s" if label == "spam" else "-n"], stdin=f, check=True)

    def online(self, truth, told):
        self.fresh()
        rows = []
        for (label, path), (said, _) in zip(truth, told):
            rows.append((self.judge(path), label == "spam"))
            self.learn(said, path)
        return rows

    def batch(self, train, test):
        self.fresh()
        for label, path in train:
            self.learn(label, path)
        return [(self.judge(path), label == "spam") for label, path in test]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--protocol", default="random,date,batch")
    parser.add_argument("--noise", type=float, default=0)
    parser.add_argument("--rate", default="0.5")
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="accuracy-") as directory:
        for filter_class in (Postern,) if options.no_peer else (Postern, Bogofilter):
            one = filter_class(options.corpus, directory, options.rate)
            for protocol in options.protocol.split(","):
                begin = time.monotonic()
                if protocol == "batch":
                    rows = one.batch(noisy(read_index(options.corpus, "train.tsv"), options.noise), read_index(options.corpus, "test.tsv"))
                else:
                    truth = read_index(options.corpus, "order-%s.txt" % protocol)
                    truth = truth[:options.limit] if options.limit else truth
                    rows = one.online(truth, noisy(truth, options.noise))
                report(one.name, protocol, rows, time.monotonic() - begin)


main()
