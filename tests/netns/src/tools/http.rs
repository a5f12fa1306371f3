//! A real web server (nginx) in a namespace: gives files, takes uploads, and says at `/who` from where it was asked.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::pattern;
use crate::daemon::Daemon;
use crate::lab::Lab;
use crate::packages;

/// A running web server; it ends when this is dropped.
#[derive(Debug)]
pub struct HttpServer {
    daemon: Daemon,
    dir: PathBuf,
    port: u16,
}

impl HttpServer {
    /// Starts a server on all addresses of the namespace `ns`.
    pub fn start(lab: &Lab, ns: &str, port: u16) -> Result<Self> {
        packages::require(&["nginx"])?;
        let dir = lab.ns(ns).dir().join(format!("http-{port}"));
        fs::create_dir_all(dir.join("www/up"))?;
        fs::write(dir.join("www/index.html"), format!("this is {ns}\n"))?;
        let config = dir.join("nginx.conf");
        fs::write(&config, configuration(&dir, port))?;
        let mut command = lab.ns(ns).command("nginx");
        command
            .arg("-e")
            .arg("stderr")
            .arg("-p")
            .arg(&dir)
            .arg("-c")
            .arg(&config);
        let mut daemon = lab.daemon_from(ns, &format!("nginx-{port}"), command)?;
        daemon.wait_until(Duration::from_secs(5), |daemon| Ok(daemon.listens_on(port)))?;
        Ok(Self { daemon, dir, port })
    }

    /// Makes a file of `bytes` checkable bytes and gives its address under the server's address `ip`.
    pub fn publish(&self, name: &str, bytes: u64, ip: impl Into<IpAddr>) -> Result<String> {
        pattern::write_file(&self.dir.join("www").join(name), bytes)?;
        Ok(self.url(ip, name))
    }

    /// The address of a path under the server's address `ip`; uploads go to paths beginning with "up/".
    pub fn url(&self, ip: impl Into<IpAddr>, path: &str) -> String {
        match ip.into() {
            IpAddr::V4(ip) => format!("http://{ip}:{}/{path}", self.port),
            IpAddr::V6(ip) => format!("http://[{ip}]:{}/{path}", self.port),
        }
    }

    /// Bytes of upload bodies received so far and not yet moved to their place.
    pub(super) fn uploading(&self) -> u64 {
        let entries = fs::read_dir(self.dir.join("body"))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }

    /// Where an uploaded file ends up.
    pub fn uploaded(&self, path: &str) -> PathBuf {
        self.dir.join("www").join(path)
    }

    /// The server's process.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }
}

fn configuration(dir: &Path, port: u16) -> String {
    let dir = dir.display();
    let temporary = ["proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {dir}/{kind};\n"))
        .concat();
    format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log stderr warn;
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; default_type application/octet-stream;
    client_body_temp_path {dir}/body; client_body_buffer_size 16k; client_max_body_size 0;
    {temporary}
    server {{
        listen {port}; listen [::]:{port};
        root {dir}/www;
        location = /who {{ return 200 $remote_addr; }}
        location /up/ {{ dav_methods PUT; create_full_put_path on; }}
    }}
}}
"
    )
}
