"""Contenders, rounds, medians and the table."""
import json
import os
import shlex
import shutil
import statistics
import subprocess
import time

# Answers and times must not depend on who asks.
ENV = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1"}
for name in ["IMGKIT_STORE", "IMGKIT_CACHE", "SOURCE_DATE_EPOCH"]:
    ENV.pop(name, None)


class Trouble(Exception):
    pass


def sh(command, check=False):
    """Runs a shell command; its standard output."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=ENV)
    if check and done.returncode:
        raise Trouble(f"{command}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


class Contender:
    """name: what the table calls it; command: one shell command, which is all that is timed; before: what is done first,
    untimed; result: what it made, as something that is compared with what the others made (None: not compared); codes: exit
    statuses that are no failure."""

    def __init__(self, name, command, before="", result=None, codes=(0,)):
        self.name, self.command, self.before, self.result, self.codes = name, command, before, result, codes
        self.times, self.cpu, self.is_short = [], [], False

    def prepare(self):
        if self.before:
            sh(self.before)

    def run(self):
        """Once, untimed: what it does wrong is told."""
        self.prepare()
        words = shlex.split(self.command) if simple(self.command) else ["/bin/sh", "-c", self.command]
        start = time.perf_counter()
        process = subprocess.Popen(words, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = process.stderr.read().decode(errors="replace")
        _, status = os.waitpid(process.pid, 0)
        self.is_short = time.perf_counter() - start < 0.1 and not self.before
        process.returncode = code = os.waitstatus_to_exitcode(status)
        if code not in self.codes:
            raise Trouble(f"{self.name}: {self.command}: exit status {code}: {said.strip()[-300:]}")

    def time(self, notes, inputs):
        """Once more, timed by hyperfine; what is over at once ten times, whose median counts. `notes`: a file for its figures;
        `inputs`: files and folders that are read before, so that they are in the page cache."""
        words = ["hyperfine", "--style", "none", "--ignore-failure", "--export-json", notes, "--runs", "10" if self.is_short else "1"]
        words += ["--warmup", "2"] if self.is_short else []
        # Without a shell where none is needed: to start one takes as long as some of these jobs.
        words += ["-N"] if simple(self.command) else []
        self.prepare()
        # Nobody waits for what another one left to be written, or reads for the next one. Some machines give memory back
        # that nobody used for seconds.
        os.sync()
        if inputs:
            sh("find " + " ".join(map(str, inputs)) + " -xdev -type f -exec cat {} + >/dev/null")
        done = subprocess.run([*words, self.command], env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise Trouble(f"{self.name}: hyperfine: {done.stderr.strip()[-300:]}")
        with open(notes) as file:
            found = json.load(file)["results"][0]
        if set(found["exit_codes"]) - set(self.codes):
            raise Trouble(f"{self.name}: {self.command}: exit status {found['exit_codes']}")
        self.times.append(found["median"])
        self.cpu.append(found["user"] + found["system"])

    def memory(self):
        """The most anonymous and the most resident memory of the process, looked at every few milliseconds. What the system
        says of an ended process would be that of this one, from which it was forked, if that is more."""
        if not simple(self.command):
            return None, None
        self.prepare()
        process = subprocess.Popen(shlex.split(self.command), env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        most = {"Anonymous:": 0, "Rss:": 0}
        while process.poll() is None:
            try:
                for line in open(f"/proc/{process.pid}/smaps_rollup"):
                    name, *rest = line.split()
                    if name in most:
                        most[name] = max(most[name], int(rest[0]) << 10)
            except (OSError, ProcessLookupError):
                break
            time.sleep(0.005)
        process.wait()
        return most["Anonymous:"], most["Rss:"]

    def median(self):
        return statistics.median(self.times)


def simple(command):
    """Whether a command is a program with arguments, and needs no shell."""
    return not any(c in command for c in "|&;<>$`(){}*?\n")

# The rows of the README: what people do most, ahead or not.
SHOWN = ["list", "verify", "load", "save", "convert to zstd", "export to a tar", "export to a directory from gzip", "import", "commit",
         "diff of unrelated images"]


class Contest:
    def __init__(self, work, corpus, programs, rounds, only, inputs):
        self.work, self.corpus, self.bin, self.rounds, self.only, self.inputs = work, corpus, programs, rounds, only, inputs
        self.results, self.left_out = [], []
        # What is done with the rows when there is one more.
        self.note = lambda rows: None
        self.podman = f"podman --root {work}/podman --runroot {work}/podman-run --storage-driver overlay"
        if subprocess.run(f"{self.podman} info", shell=True, capture_output=True).returncode:
            shutil.rmtree(work / "podman", ignore_errors=True)
            self.podman = self.podman.replace("overlay", "vfs")
            self.left_out.append("podman on overlay: it cannot be run here, vfs is measured in its place")
        docker = "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else "docker"
        self.docker = f"{docker} --host unix://{work}/engine.sock"
        self.engine = None
        self.has_docker = self.start_engine()
        if not self.has_docker:
            self.left_out.append("docker: no engine could be started")

    def start_engine(self):
        """An engine of our own, with nothing in it."""
        if not shutil.which("dockerd"):
            return False
        for driver in ["overlay2", "vfs"]:
            with open(self.work / "engine.log", "ab") as log:
                self.engine = subprocess.Popen(
                    ["dockerd", "--host", f"unix://{self.work}/engine.sock", "--data-root", f"{self.work}/engine", "--exec-root", f"{self.work}/engine-run",
                     "--pidfile", f"{self.work}/engine.pid", "--storage-driver", driver, "--bridge=none", "--iptables=false", "--ip6tables=false"],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENV)
            for _ in range(60):
                time.sleep(0.5)
                if subprocess.run(f"{self.docker} info", shell=True, capture_output=True, env=ENV).returncode == 0:
                    return True
                if self.engine.poll() is not None:
                    break
            self.stop_engine()
        return False

    def stop_engine(self):
        if self.engine and self.engine.poll() is None:
            self.engine.terminate()
            try:
                self.engine.wait(30)
            except subprocess.TimeoutExpired:
                self.engine.kill()
        self.engine = None

    def close(self):
        sh(f"{self.podman} rm -fa; {self.podman} rmi -fa; {self.podman} unshare true; rm -rf {self.work}/away")
        self.stop_engine()

    def away(self, folder):
        """The command that takes a folder of many files out of the way. It is not removed between runs: for a minute ext4
        looks at each inode that became free, and skips it, whenever it wants one, so who came next would wait many seconds."""
        return f"mkdir -p {self.work}/away; test ! -e {folder} || mv {folder} {self.work}/away/$(date +%s%N)"

    def make_room(self):
        """Removes what was taken out of the way once the disk is needed, and lets that minute go by."""
        if shutil.disk_usage(self.work).free < 20 << 30 and (self.work / "away").exists():
            shutil.rmtree(self.work / "away")
            os.sync()
            time.sleep(65)

    def fact(self, name, input, value, met, note):
        """A row that is measured in another way."""
        empty = dict.fromkeys(["peer", "peer_seconds", "ratio", "target", "limit", "limit_seconds", "limit_ratio", "limit_target", "anonymous_bytes", "rss_bytes"])
        self.results.append({"job": name, "input": input, "seconds": value, "note": note, **empty, "met": met})
        self.note(self.results)

    def wanted(self, name):
        return not self.only or any(word in name for word in self.only)

    def any_wanted(self, name):
        """The same of jobs whose names begin so, before what they need is made."""
        return self.wanted(name) or any(word.startswith(name) for word in self.only)

    def job(self, name, input, ours, peers, reads, limit=None, target=None, limit_target=None, parts=1, note=""):
        """Runs one job. ours, peers, limit: contenders; reads: files and folders that they read; target: how many times faster
        than the best peer it has to be; limit_target: within how many times the limit; parts: the limit's time is divided by
        this (as one core does it); note: a text, or what makes one when the results are there."""
        if not self.wanted(name):
            return
        print(f"== {name}: {input}", flush=True)
        self.make_room()
        field = [ours, *peers, *([limit] if limit else [])]
        results, alive = {}, []
        for one in field:
            try:
                one.run()
                if one.result:
                    results[one.name] = one.result()
            except Trouble as trouble:
                if one is ours:
                    raise
                self.left_out.append(f"{name}: {trouble}")
                continue
            alive.append(one)
        for other, result in results.items():
            if ours.name in results and result != results[ours.name]:
                raise Trouble(f"{name}: {other} made another result than {ours.name}: {brief(result)} and {brief(results[ours.name])}")
        for number in range(self.rounds):
            for one in alive:
                # Who takes ten times as long is no nearer after five rounds than after two.
                if number < 2 or one.median() < 10 * ours.median():
                    one.time(self.work / "hyperfine.json", reads)
        anonymous, resident = ours.memory()
        ours.prepare()
        for one in field:
            one.prepare()
        peers = [peer for peer in peers if peer in alive]
        best = min(peers, key=Contender.median, default=None)
        floor = limit.median() / parts if limit in alive else None
        row = {
            "job": name, "input": input, "seconds": ours.median(), "cpu_seconds": statistics.median(ours.cpu), "command": self.shown(ours.command),
            "all": {one.name: {"times": one.times, "cpu": one.cpu, "command": self.shown(one.command)} for one in alive},
            "compared": sorted(results), "peer": best and best.name, "peer_seconds": best and best.median(),
            "ratio": best and best.median() / ours.median(), "target": target,
            "limit": limit.name if floor else None, "limit_seconds": floor, "limit_ratio": floor and ours.median() / floor, "limit_target": limit_target,
            "anonymous_bytes": anonymous, "rss_bytes": resident, "note": note() if callable(note) else note,
        }
        met = [best is not None and row["ratio"] >= target] if target else []
        met += [row["limit_ratio"] <= limit_target] if limit_target and floor else []
        # A job that is over in the time that a program takes to start has no time to be nearer to a limit.
        met += [anonymous <= 64 << 20] if anonymous is not None and target else []
        row["met"] = all(met) if met else None
        self.results.append(row)
        self.note(self.results)
        print(f"   {row['seconds']:.3f} s, best peer {best.name if best else '-'} {best.median() if best else 0:.3f} s", flush=True)

    def shown(self, command):
        """A command without the folders of this machine."""
        for path, name in [(self.bin, ""), (self.work, "WORK"), (self.corpus, "CORPUS")]:
            command = command.replace(f"{path}/" if not name else str(path), name)
        return command

    def short_table(self):
        """The jobs that the README shows, of the image of 1.1 GB."""
        lines = ["| job, on an image of 1.1 GB | imgkit | best peer | times as fast |", "|---|---|---|---|"]
        for row in self.results:
            if row["job"] in SHOWN and "big 1.1 GB" in row["input"]:
                peer = f"{row['peer']} {seconds(row['peer_seconds'])}"
                lines.append(f"| {row['job']} | {seconds(row['seconds'])} | {peer} | {row['ratio']:.1f} |")
        return "\n".join(lines) + "\n"

    def table(self, head):
        lines = [
            f"Measured with `tests/bench/run`, last on {head['date']}: {head['machine']}; medians of as many rounds as the last column but one says "
            f"(2 of who takes more than ten times as long), contenders in turn, results compared before.",
            "",
            "| job | input | imgkit | best peer | ratio | wanted | limit | to the limit | anonymous / resident memory | rounds, at | met |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        for row in self.results:
            peer = f"{row['peer']} {seconds(row['peer_seconds'])}" if row["peer"] else "-"
            ratio = f"{row['ratio']:.1f}" if row["ratio"] else "-"
            wanted = f"{row['target']:g}" if row["target"] else "-"
            limit = f"{row['limit']} {seconds(row['limit_seconds'])}" if row["limit"] else "-"
            near = f"{row['limit_ratio']:.2f}" + (f" (≤ {row['limit_target']:g})" if row["limit_target"] else "") if row["limit"] else "-"
            memory = f"{mib(row['anonymous_bytes'])} / {mib(row['rss_bytes'])}"
            met = {True: "yes", False: "**no**", None: "-"}[row["met"]]
            rounds = max((len(one["times"]) for one in row.get("all", {}).values()), default="-")
            lines.append(f"| {row['job']} | {row['input']} | {seconds(row['seconds'])} | {peer} | {ratio} | {wanted} | {limit} | {near} | {memory} | {rounds}, {row['commit']} | {met} |")
        lines += ["", "Contenders: " + "; ".join(head["versions"].values()) + "."]
        notes = [f"{row['job']}: {row['note']}" for row in self.results if row["note"]]
        lines += ["", *[f"- {note}" for note in notes]] if notes else []
        if self.left_out:
            lines += ["", "Left out:", "", *[f"- {self.shown(line)}" for line in self.left_out]]
        return "\n".join(lines) + "\n"


def seconds(value):
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def mib(value):
    return "-" if value is None else f"{value / (1 << 20):.0f} MiB"


def brief(value):
    text = repr(value)
    return text if len(text) < 300 else text[:300] + "…"
