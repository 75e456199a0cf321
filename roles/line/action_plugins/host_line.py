"""Keep Ansible's connection to a host open, and start Python programs on the host for whoever opened the line.

Runs on the control host, inside ansible-playbook. In `folder` migrator listens at `control`; we listen at `programs`.
The control connection is the line's life: when it ends, so do we, and with us every program. On each connection to
`programs` comes one line of JSON, {"size": bytes of source, "words": [...], "seconds": for starting}. The answer is
{"started": true} with two file descriptors, the program's standard input and output, or {"problem": "..."}; and when
the program has ended {"status": n, "said": "its last words"}. The source is written to its input first: nothing lands
on the host's disk, and no limit of a command line matters.
"""

import contextlib
import copy
import json
import os
import secrets
import select
import shlex
import shutil
import signal
import socket
import subprocess
import threading
import time

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

# -I: no module from the user's folder is imported with another's rights. What follows the source is the program's.
BOOTSTRAP = (
    'import os;os.write(1,b"{marker}\\n");'
    'r=lambda n:b"" if n<1 else (lambda c:c+r(n-len(c)) if c else c)(os.read(0,n));'
    'exec(compile(r({size}),"migrator","exec"))'
)
WORDS = 4096  # bytes kept of what a program says on standard error
GRACE = 5  # seconds that programs have to end by themselves


class RefusedError(Exception):
    """A program could not be started; the message says why."""


class ActionModule(ActionBase):
    """Opens the line and serves it."""

    _VALID_ARGS = frozenset(("folder",))

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._building = threading.Lock()
        self._processes = []

    def run(self, tmp=None, task_vars=None):
        """Serve until the control connection ends."""
        result = super().run(tmp, task_vars)
        folder = self._task.args["folder"]
        with socket.socket(socket.AF_UNIX) as control:
            try:
                control.connect(os.path.join(folder, "control"))
            except OSError as error:
                _remove(folder)
                result.update(failed=True, msg="migrator is gone: {}".format(error))
                return result
            reached = threading.Event()
            threading.Thread(target=_guard, args=(control, folder, reached), daemon=True).start()
            try:
                # Opens the master connection that the programs will share, and finds the host's Python.
                answer = self._execute_module("ansible.builtin.ping", module_args={}, task_vars=task_vars)
            finally:
                reached.set()
            if answer.get("failed") or answer.get("unreachable"):
                return answer
            if self._connection.transport not in ("ssh", "local"):
                result.update(failed=True, msg=_unfit(self._connection.transport))
                return result
            self._listen(folder, control)
        result["changed"] = False
        return result

    def _listen(self, folder, control):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(folder, "programs"))
            listener.listen(16)
            try:
                control.sendall(b"ready\n")
                while True:
                    readable, _, _ = select.select([listener, control], [], [])
                    if control in readable:
                        break
                    channel, _ = listener.accept()
                    threading.Thread(target=self._serve, args=(channel,), daemon=True).start()
                farewell = control.recv(16)
            except OSError:  # migrator is gone
                farewell = b""
        self._end()
        if not farewell:
            _remove(folder)

    def _serve(self, channel):
        with channel, contextlib.suppress(OSError):
            asked = json.loads(channel.makefile("rb").readline() or "null")
            if not asked:
                return
            try:
                process = self._start(asked["size"], asked["words"], time.monotonic() + asked["seconds"])
            except (RefusedError, AnsibleError, OSError) as error:
                _tell(channel, problem=str(error))
                return
            ends = [process.stdin.fileno(), process.stdout.fileno()]
            socket.send_fds(channel, [b'{"started": true}\n'], ends)
            # From here on only migrator holds them, so that they are closed when it is gone.
            process.stdin.close()
            process.stdout.close()
            said = _last_words(process)
            _tell(channel, status=process.returncode, said=said)

    def _start(self, size, words, until):
        marker = secrets.token_hex(16)
        code = BOOTSTRAP.format(marker=marker, size=size)
        python = self._used_interpreter.lstrip("#!").strip()
        command = " ".join(["exec", python, "-I", "-c", shlex.quote(code)] + [shlex.quote(word) for word in words])
        with self._building:
            become = None
            if self._escalates():
                become = copy.copy(self._connection.become)  # it keeps the prompt of one command
                command = become.build_become_command(command, self._connection._shell)
            command = self._over_connection(command)
        process = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._processes.append(process)
        try:
            Beginning(process, marker, become).wait(until)
        except RefusedError:
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()
            process.terminate()
            raise
        return process

    def _escalates(self):
        """Tell whether to become somebody, as Ansible does for a task."""
        if not self._connection.become:
            return False
        login, other = self._get_remote_user(), self.get_become_option("become_user")
        return constants.BECOME_ALLOW_SAME_USER or other != login or not any((login, other))

    def _over_connection(self, command):
        """Give the words that run a shell command on the host."""
        connection = self._connection
        shell = self._play_context.executable or "/bin/sh"
        if connection.transport == "local":
            return [shell, "-c", command]
        host = connection.get_option("host") or self._play_context.remote_addr
        program = connection.get_option("ssh_executable")
        # There is nobody to ask, and what asks nevertheless would wait for ever.
        words = ["-o", "BatchMode=yes", host, "{} -c {}".format(shell, shlex.quote(command))]
        built = [word.decode() for word in connection._build_command(program, "ssh", *words)]
        pipe, connection.sshpass_pipe = getattr(connection, "sshpass_pipe", None), None
        for end in pipe or ():
            os.close(end)
        # A password was needed for the master connection only; what types it in would stand between ssh and us.
        return built[built.index(program) :]

    def _end(self):
        """Wait for the programs, whose input has ended, and make an end where one does not."""
        until = time.monotonic() + GRACE
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0, until - time.monotonic()))
        left = [process for process in self._processes if process.poll() is None]
        for process in left:
            process.terminate()
        for process in left:
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                process.kill()


def _unfit(transport):
    return (
        "a line needs the connection plugin ssh (or local), this host has {}: set ansible_connection=ssh for it".format(
            transport
        )
    )


def _remove(folder):
    """Remove what a migrator made that was killed: nobody else will."""
    shutil.rmtree(folder, ignore_errors=True)


def _guard(control, folder, reached):
    """While Ansible connects, end with migrator: a host that hangs would keep us for ever.

    The process group is that of ansible-playbook or of this worker, which migrator started in a session of its own.
    """
    while not reached.wait(0.5):
        if select.select([control], [], [], 0)[0]:
            _remove(folder)
            os.killpg(os.getpgrp(), signal.SIGTERM)


def _tell(channel, **message):
    channel.sendall(json.dumps(message).encode() + b"\n")


class Beginning:
    """What comes before a program begins: what login shells say, a prompt for a password, and at last the marker."""

    def __init__(self, process, marker, become):
        self.process = process
        self.marker = marker.encode()
        self.become = become
        self.heard = {process.stdout: b"", process.stderr: b""}
        self.typed = False

    def wait(self, until):
        """Return when the program has begun; type the password where one is asked for."""
        while self.marker + b"\n" not in self.heard[self.process.stdout]:
            seconds = until - time.monotonic()
            ready = select.select(list(self.heard), [], [], seconds)[0] if seconds > 0 else []
            if not ready:
                said = _sentence(b"\n".join(self.heard.values()))
                raise RefusedError("Python did not begin on the host in time" + (said and ": " + said))
            for stream in ready:
                self._hear(stream)
            if self.become:
                self._escalate()

    def _hear(self, stream):
        chunk = os.read(stream.fileno(), WORDS)
        if chunk:
            self.heard[stream] += chunk
        elif stream is self.process.stdout:
            raise RefusedError(self._why())
        else:
            del self.heard[stream]

    def _escalate(self):
        become, texts = self.become, list(self.heard.values())
        if any(become.check_incorrect_password(text) for text in texts):
            raise RefusedError("Incorrect {} password".format(become.name))
        if any(become.check_missing_password(text) for text in texts):
            raise RefusedError("Missing {} password".format(become.name))
        if not any(become.check_password_prompt(text) for text in texts):
            return
        password = become.get_option("become_pass")
        if self.typed or not password:
            raise RefusedError("{} {} password".format("Incorrect" if self.typed else "Missing", become.name))
        os.write(self.process.stdin.fileno(), password.encode() + b"\n")
        self.typed = True
        self.heard = dict.fromkeys(self.heard, b"")

    def _why(self):
        """Say why the program ended before it began."""
        stream = self.process.stderr
        while stream in self.heard and select.select([stream], [], [], 1)[0]:
            chunk = os.read(stream.fileno(), WORDS)
            if not chunk:
                break
            self.heard[stream] += chunk
        said = _sentence(self.heard.get(stream, b"")) or _sentence(self.heard[self.process.stdout])
        return said or "the connection ended before Python began on the host"


def _last_words(process):
    """Wait for the end of a program and give the end of what it said on standard error.

    That may stay open: an ssh that became the master connection hands it on to the background.
    """
    text = b""
    while process.poll() is None:
        if select.select([process.stderr], [], [], 1)[0]:
            chunk = os.read(process.stderr.fileno(), WORDS)
            if not chunk:
                process.wait()
            text = (text + chunk)[-WORDS:]
    while select.select([process.stderr], [], [], 0)[0]:
        chunk = os.read(process.stderr.fileno(), WORDS)
        if not chunk:
            break
        text = (text + chunk)[-WORDS:]
    process.stderr.close()
    return _sentence(text)


def _sentence(text):
    """Give the last lines as one, without what ssh says for its own sake."""
    lines = [line.strip() for line in text.decode("utf-8", "replace").splitlines()]
    told = [line for line in lines if line and not line.startswith(("debug", "OpenSSH_", "Warning: Permanently added"))]
    return "; ".join(told[-4:])
