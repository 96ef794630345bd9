"""Other people's HTTPS servers with MTA-STS policies on port 443 of addresses of loopback: nginx and Apache, unpacked in
.build-peers, and Python's http.server."""

import ssl
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import PEERS, Background, Failed
from peers.ports import listening
from peers.unpacked import library_path, unpack

PORT = 443
PLACE = "/.well-known/mta-sts.txt"


@dataclass
class Site:
    """A policy host by its name, with the certificate that it shows and what it serves at PLACE; `settings` are lines of
    the server's own language."""
    name: str
    pair: tuple
    text: bytes = None
    settings: str = ""
    file: str = "mta-sts.txt"

    def written(self, folder):
        """The folder that is its root."""
        root = folder / self.name
        (root / ".well-known").mkdir(parents=True)
        if self.text is not None:
            (root / ".well-known" / self.file).write_bytes(self.text)
        return root


class Nginx:
    def __init__(self, folder, address, sites):
        self.folder = Path(folder)
        root = unpack("nginx-light", PEERS / "nginx-light")
        lines = ["daemon off;", "master_process off;", f"pid {folder}/nginx.pid;", f"error_log {folder}/error.log;",
                 "events {}", "http {", f"log_format asked '$host $request_uri $status $http_accept_encoding';",
                 f"access_log {folder}/access.log asked;", "types { text/plain txt; }"]
        lines += [f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
        for site in sites:
            chain, key = site.pair
            lines += ["server {", f"listen {address}:{PORT} ssl;", f"server_name {site.name};",
                      f"ssl_certificate {chain};", f"ssl_certificate_key {key};", f"root {site.written(self.folder)};",
                      site.settings, "}"]
        configuration = self.folder / "nginx.conf"
        configuration.write_text("\n".join([*lines, "}"]) + "\n")
        self.background = Background([root / "usr/sbin/nginx", "-p", folder, "-c", configuration],
                                     self.folder / "nginx.log", env={"LD_LIBRARY_PATH": library_path(root)})
        if not listening([PORT], address):
            self.background.stop()
            raise Failed(f"nginx does not listen:\n{self.background.output()[-2000:]}")

    def asked(self):
        """The lines of its log: host, address, status, and what encodings would do."""
        return (self.folder / "access.log").read_text().splitlines()

    def stop(self):
        return self.background.stop()


class Apache:
    MODULES = ("mpm_event", "authz_core", "mime", "include", "filter", "setenvif", "ssl")

    def __init__(self, folder, address, sites):
        self.folder = Path(folder)
        root = unpack("apache2-bin", PEERS / "apache2-bin")
        modules = root / "usr/lib/apache2/modules"
        (self.folder / "mime.types").write_text("text/plain txt\n")
        lines = [f"ServerRoot {folder}", "ServerName apache.example", f"PidFile {folder}/apache.pid",
                 f"ErrorLog {folder}/error.log", f"DefaultRuntimeDir {folder}", f"Mutex file:{folder}",
                 f"Listen {address}:{PORT}"]
        # Some of them are built in, depending on the version.
        lines += [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in self.MODULES
                  if (modules / f"mod_{name}.so").exists()]
        lines += [f"TypesConfig {folder}/mime.types", "User daemon", "Group daemon",
                  "SSLSessionCache none"]
        for site in sites:
            chain, key = site.pair
            place = site.written(self.folder)
            lines += [f"<VirtualHost {address}:{PORT}>", f"ServerName {site.name}", "SSLEngine on",
                      f"SSLCertificateFile {chain}", f"SSLCertificateKeyFile {key}", f"DocumentRoot {place}",
                      f"<Directory {place}>", "Require all granted", "</Directory>", site.settings, "</VirtualHost>"]
        configuration = self.folder / "apache.conf"
        configuration.write_text("\n".join(lines) + "\n")
        self.background = Background([root / "usr/sbin/apache2", "-X", "-d", folder, "-f", configuration],
                                     self.folder / "apache.log", env={"LD_LIBRARY_PATH": library_path(root)})
        if not listening([PORT], address):
            self.background.stop()
            log = self.folder / "error.log"
            raise Failed(f"Apache does not listen:\n{self.background.output()[-2000:]}"
                         + (log.read_text()[-2000:] if log.exists() else ""))

    def stop(self):
        return self.background.stop()


# What Python's server does, by name. Each is given the handler and the policy's octets.

def plainly(handler, text):
    handler.send_response(200)
    handler.send_header("Content-Type", "text/plain")
    handler.send_header("Content-Length", str(len(text)))
    handler.end_headers()
    handler.wfile.write(text)


def kept_open(handler, text):
    """Says that it goes on, whatever was asked for, and waits for the next request."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/plain; charset=utf-8")
    handler.send_header("Content-Length", str(len(text)))
    handler.send_header("Connection", "keep-alive")
    handler.send_header("Keep-Alive", "timeout=300")
    handler.end_headers()
    handler.wfile.write(text)
    handler.close_connection = False


def cut_short(handler, text):
    """As HTTP/1.0 does, with the end of the connection for that of the text; of TLS Python's server makes no end."""
    handler.protocol_version = "HTTP/1.0"
    handler.send_response(200)
    handler.send_header("Content-Type", "text/plain")
    handler.end_headers()
    handler.wfile.write(text)


def until_the_end(handler, text):
    """The same, and TLS is ended in good order."""
    cut_short(handler, text)
    try:
        handler.connection.unwrap()
    except OSError:
        pass  # The other side has heard it and gone.


def slowly(handler, text):
    """Octet by octet, and whole in the end."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(text)
    for octet in head + text:
        handler.wfile.write(bytes([octet]))
        handler.wfile.flush()
        time.sleep(0.005)


def for_ever(handler, text):
    """Octet by octet, and never an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        while not handler.server.is_over.wait(1):
            handler.wfile.write(b"1\r\n#\r\n")
            handler.wfile.flush()
    except OSError:
        handler.server.left.append(handler.headers["Host"])


class PythonServer:
    """Python's http.server inside TLS. `texts` maps a policy host to what it serves there now, `conducts` to how, where
    that isn't `plainly`; both may change. One certificate has all the names of `names`."""

    def __init__(self, address, pair, texts, conducts=None):
        self.address, self.texts, self.conducts = address, dict(texts), dict(conducts or {})
        self.pair, self.asked = pair, []
        self.server = None
        self.start()

    def start(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 120

            def setup(self):
                super().setup()
                self.connection.do_handshake()

            def do_GET(self):
                host = self.headers["Host"]
                outer.asked.append((host, self.path))
                if self.path != PLACE or host not in outer.texts:
                    return self.send_error(404)
                outer.conducts.get(host, plainly)(self, outer.texts[host])

            def log_message(self, *given):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # Who looks only whether somebody listens.

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.pair)
        self.server = Server((self.address, PORT), Handler)
        self.server.is_over, self.server.left = threading.Event(), []
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def count(self, host):
        return sum(one == host for one, _ in list(self.asked))

    def stop(self):
        """Nobody listens any more."""
        if self.server:
            self.server.is_over.set()
            self.server.shutdown()
            self.server.server_close()
            self.server = None
