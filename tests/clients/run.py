"""Runs what users of other clients do: first on a real Redis, then on a store. `run.py PROGRAM`, where PROGRAM serves
a store, prints its address, and ends with its input (the example `serve`). Clients that are not in Redis's own package
are looked for in target/clients: `npm install --prefix target/clients`, `pip install --target target/clients/python`."""

import os
import pathlib
import re
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
CLIENTS = HERE.parent.parent / "target" / "clients"
ENVIRONMENT = os.environ | {"NODE_PATH": str(CLIENTS / "node_modules"), "PYTHONPATH": str(CLIENTS / "python")}

# What a store has of that which not all programs need.
HAS = set()

# Programs, and what they need. Each takes the server's address, and ends with "ok".
PROGRAMS = [
    ("redis_cli.py", set()),
    ("redis_py.py", set()),
    ("redis_py_recipes.py", set()),
    ("flask_sessions.py", set()),
    ("ioredis.js", set()),
    ("node_redis.js", set()),
    ("redis_py_scripts.py", {"scripts"}),
    ("scripts.js", {"scripts"}),
    ("celery_tasks.py", {"scripts"}),
    ("rq_jobs.py", {"scripts", "streams"}),
    ("bullmq.js", {"scripts", "streams"}),
]


class Server:
    """Ends when it is left."""

    def __init__(self, name, process, port):
        self.name, self.process, self.url, self.port = name, process, f"redis://127.0.0.1:{port}", str(port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def real():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return Server("Redis", process, port)
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise SystemExit("redis-server did not come up")


def ours(program, *version):
    process = subprocess.Popen([program, *version], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return Server("larder", process, int(process.stdout.readline().rsplit(":", 1)[1]))


def run(server, *command):
    """Gives what it prints, if it does not fail."""
    what = f"{server.name}, {' '.join(pathlib.Path(word).name for word in command if word != sys.executable)}"
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    if done.returncode != 0:
        raise SystemExit(f"{what}: {done.stdout}{done.stderr}")
    print(f"{what}: {time.monotonic() - started:.1f} s", flush=True)
    return done.stdout


def run_programs(server, has):
    for program, needs in PROGRAMS:
        if needs <= has:
            language = "node" if program.endswith(".js") else sys.executable
            last = run(server, language, str(HERE / program), server.url).splitlines()[-1:]
            if last != ["ok"]:
                raise SystemExit(f"{server.name}, {program} ended early")


def run_benchmark(server):
    printed = run(server, "redis-benchmark", "-p", server.port, "-q", "-n", "2000", "-c", "10", "-P", "4")
    results = [line for line in re.split(r"[\r\n]+", printed) if "requests per second" in line]
    if len(results) < 20 or "rror" in printed:
        raise SystemExit(f"{server.name}, redis-benchmark: {printed}")


def compare_replies(program):
    """Of the same version as the real one: what a program is told there, it is told here."""
    printed = []
    with real() as server:
        version = run(server, "redis-cli", "-p", server.port, "INFO", "server")
        version = re.search(r"redis_version:(\d+\.\d+)", version)[1]
        printed.append(run(server, sys.executable, str(HERE / "gui.py"), server.url).splitlines())
    with ours(program, version) as server:
        printed.append(run(server, sys.executable, str(HERE / "gui.py"), server.url).splitlines())
    differences = [f"Redis:  {theirs}\nlarder: {ours}" for theirs, ours in zip(*printed, strict=True) if theirs != ours]
    if differences:
        raise SystemExit("\n".join(differences))


def main():
    program = sys.argv[1]
    compare_replies(program)
    with real() as server:
        run_programs(server, {"scripts", "streams"})
        run_benchmark(server)
    with ours(program) as server:
        run_programs(server, HAS)
        run_benchmark(server)


main()
