"""Runs what users of other clients do: first on a real Redis, then on a store. `run.py PROGRAM`, where PROGRAM serves
a store, prints its address, and ends with its input (the example `serve`)."""

import pathlib
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent


def real():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, port
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise SystemExit("redis-server did not come up")


def ours(program):
    process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline().rsplit(":", 1)[1])


def run(name, *command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.replace("\r", "\n").splitlines() if line.strip()]
    if done.returncode != 0 or any("ERR" in line or "rror" in line for line in lines + [done.stderr]):
        raise SystemExit(f"{name}: {done.stdout}{done.stderr}")
    print(f"{name}: {lines[-1].strip()}")


def main():
    for name, (process, port) in (("Redis", real()), ("larder", ours(sys.argv[1]))):
        try:
            run(f"{name}, redis-py", sys.executable, str(HERE / "redis_py.py"), f"redis://127.0.0.1:{port}")
            run(f"{name}, redis-cli", "redis-cli", "-p", str(port), "-3", "COMMAND", "COUNT")
            run(f"{name}, redis-cli --bigkeys", "redis-cli", "-p", str(port), "--bigkeys")
            run(f"{name}, redis-benchmark", "redis-benchmark", "-p", str(port), "-q", "-n", "2000", "-c", "10")
        finally:
            process.kill()
            process.wait()


main()
