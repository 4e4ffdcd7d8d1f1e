"""A stand-in for a Kubernetes API server: it keeps what is posted to it and gives it back, over real HTTP."""

import asyncio
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import kmock
import yaml
from kubernetes import client

NAMESPACE = "aios"
PROJECT = Path(__file__).resolve().parents[2]


class Cluster:
    """The emulator in a thread of its own, and as much of a cluster beside it as runs jobs."""

    def __init__(self):
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.emulator = None
        self.url = ""

    def start(self):
        self._thread.start()
        assert self._ready.wait(10), "the stand-in did not start"

    def stop(self):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self):
        self._ended = asyncio.Event()
        async with kmock.KubernetesEmulator() as emulator, kmock.Server(emulator) as server:
            emulator.resources["batch/v1/jobs"] = {}
            emulator.resources["v1/pods"] = {}
            self.emulator, self.url = emulator, str(server.url).rstrip("/")
            self._ready.set()
            await self._ended.wait()

    def tell(self, job, status):
        """As the cluster's job controller tells of a job."""
        self.jobs().patch_namespaced_job_status(job, NAMESPACE, {"status": status})

    def jobs(self):
        return client.BatchV1Api(client.ApiClient(client.Configuration(host=self.url)))

    def pods(self):
        return client.CoreV1Api(client.ApiClient(client.Configuration(host=self.url)))

    @contextmanager
    def node(self):
        """Runs the container of each new job as a process of its own, as nodes would; gives what they ran, by job name."""
        ran, threads, ended = {}, [], threading.Event()

        def start(work, *arguments):
            threads.append(threading.Thread(target=work, args=arguments, daemon=True))
            threads[-1].start()

        def watch():
            api = self.jobs()
            while not ended.wait(0.1):
                for job in api.list_namespaced_job(NAMESPACE).items:
                    if job.metadata.name not in ran:
                        ran[job.metadata.name] = job
                        start(self._run_container, job)

        start(watch)
        try:
            yield ran
        finally:
            ended.set()
            for thread in threads:
                thread.join(60)

    def _run_container(self, job):
        container = job.spec.template.spec.containers[0]
        told = {variable.name: variable.value for variable in container.env if variable.value is not None}
        program = Path(sys.executable).parent / container.args[0]
        done = subprocess.run(
            [program, *container.args[1:]], env={**os.environ, **told}, cwd=PROJECT, capture_output=True, timeout=60
        )
        self.tell(job.metadata.name, {"succeeded": 1} if done.returncode == 0 else {"failed": 1})

    def kubeconfig(self, folder):
        """A file that points clients here."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "stand-in",
            "clusters": [{"name": "stand-in", "cluster": {"server": self.url}}],
            "users": [{"name": "someone", "user": {}}],
            "contexts": [
                {"name": "stand-in", "context": {"cluster": "stand-in", "user": "someone", "namespace": NAMESPACE}}
            ],
        }
        file = folder / "kubeconfig"
        file.write_text(yaml.safe_dump(content))
        return file


@contextmanager
def cluster():
    standing = Cluster()
    standing.start()
    try:
        yield standing
    finally:
        standing.stop()
