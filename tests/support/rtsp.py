"""A real RTSP server as a child process: GStreamer's, run by the system's Python, on a free port of this machine.

It can be killed and started again at the same address, and be frozen like a camera that hangs. This file is also the child's
program, and is then run by a Python that has `gi` and nothing else.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from contextlib import suppress

from ports import HeldPort

PYTHON = "/usr/bin/python3"
_NEEDS = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; Gst.init(None); "
    "assert all(map(Gst.ElementFactory.find, ('videotestsrc', 'x264enc', 'rtph264pay', 'qtdemux')))"
)


def missing() -> str | None:
    """Why no RTSP server can be had here, or None."""
    try:
        done = subprocess.run([PYTHON, "-c", _NEEDS], capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        return f"no RTSP server: {PYTHON}: {error.strerror}"
    if done.returncode == 0:
        return None
    return f"no RTSP server: {(done.stderr.strip() or 'failed').splitlines()[-1]} (tests/install-tools installs it)"


class RtspServer:
    """Serves live H.264, or an H.264 file, at `url`. `start` after `stop` takes the same port again."""

    def __init__(
        self,
        *,
        width: int = 320,
        height: int = 240,
        fps: int = 20,
        file: str | None = None,
        transport: str | None = None,
        user: str | None = None,
        password: str | None = None,
    ) -> None:
        """Store.

        Args:
            width: Of the test picture, in pixels.
            height: Of the test picture, in pixels.
            fps: Of the test picture.
            file: An MP4 file with H.264 to serve once to each client, in place of the test picture.
            transport: The only one that is allowed, `tcp` or `udp`; None allows both.
            user: Together with `password`, who may watch.
            password: See `user`.
        """
        self._held = HeldPort()
        self.port = self._held.number
        self._options = [f"--width={width}", f"--height={height}", f"--fps={fps}"]
        for key, value in (("file", file), ("transport", transport), ("user", user), ("password", password)):
            if value is not None:
                self._options.append(f"--{key}={value}")
        self._child: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where the stream is, without user and password."""
        return f"rtsp://127.0.0.1:{self.port}/cam"

    def start(self) -> RtspServer:
        """Serve; returns when the port is open."""
        assert self._child is None, "it runs already"
        self._child = subprocess.Popen(
            [PYTHON, __file__, f"--port={self.port}", *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        said = self._child.stdout.readline()
        if not said.startswith("ready "):
            self.stop()
            raise RuntimeError("the RTSP server did not start")
        return self

    def stop(self) -> None:
        """Die at once, like a camera without power."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def freeze(self) -> None:
        """Keep the connections and send nothing more."""
        self._child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self._child.send_signal(signal.SIGCONT)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._held.close()


def _serve(options: argparse.Namespace) -> None:
    """The child: serve until it is killed or its parent is gone."""
    import gi

    for library in ("Gst", "GstRtsp", "GstRtspServer"):
        gi.require_version(library, "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

    Gst.init(None)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {_launch(options)} )")
    factory.set_shared(False)  # a shared one answers 503 to who comes while its last client is still leaving
    if options.transport is not None:
        factory.set_protocols({"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}[options.transport])
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    server.get_thread_pool().set_max_threads(-1)  # else one broken client wedges all
    if options.user is not None:
        _ask_password(GstRtspServer, server, factory, options)
    server.get_mount_points().add_factory("/cam", factory)
    if server.attach(None) == 0:
        sys.exit("the port cannot be had")
    print("ready", server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, lambda *_: loop.quit())
    loop.run()


def _launch(options: argparse.Namespace) -> str:
    if options.file is not None:
        return f"filesrc location={options.file} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1"
    return (
        f"videotestsrc is-live=true pattern=ball ! video/x-raw,width={options.width},height={options.height},"
        f"framerate={options.fps}/1 ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={options.fps} ! "
        "rtph264pay name=pay0 pt=96 config-interval=1"
    )


def _ask_password(gst_rtsp_server, server, factory, options) -> None:
    token = gst_rtsp_server.RTSPToken()
    token.set_string(gst_rtsp_server.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth = gst_rtsp_server.RTSPAuth()
    auth.add_basic(gst_rtsp_server.RTSPAuth.make_basic(options.user, options.password), token)
    server.set_auth(auth)
    factory.add_role_from_structure(_viewer_may_watch(gst_rtsp_server))


def _viewer_may_watch(gst_rtsp_server):
    from gi.repository import Gst

    role = Gst.Structure.new_empty("viewer")
    role.set_value(gst_rtsp_server.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
    role.set_value(gst_rtsp_server.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
    return role


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for option in ("port", "width", "height", "fps"):
        parser.add_argument(f"--{option}", type=int)
    for option in ("file", "transport", "user", "password"):
        parser.add_argument(f"--{option}")
    with suppress(KeyboardInterrupt):
        _serve(parser.parse_args())
