//! What the server counts, over HTTP: `/metrics` for Prometheus, `/health` for who asks whether it lives.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use larder::{Bytes, ErrorReply, Reply, Session, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request is its first line, and that is short.
const LONGEST: usize = 8 << 10;
/// Who asks is given so long to do it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers at an address for as long as the runtime lives, in whose context this is called.
///
/// # Errors
/// Those of the system where it cannot listen there.
pub fn serve(address: &str, store: Store, session: Session) -> io::Result<()> {
    let address = if address.starts_with(':') { format!("127.0.0.1{address}") } else { address.into() };
    let listener = std::net::TcpListener::bind(&*address)?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let session = Arc::new(Mutex::new(session));
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let (store, session) = (store.clone(), Arc::clone(&session));
            tokio::spawn(async move {
                // Who leaves or says nothing gets nothing.
                let _ = tokio::time::timeout(PATIENCE, answer(stream, &store, &session)).await;
            });
        }
    });
    Ok(())
}

async fn answer(mut stream: TcpStream, store: &Store, session: &Mutex<Session>) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut bytes = [0; 1 << 10];
        match stream.read(&mut bytes).await? {
            0 => return Ok(()),
            count => request.extend_from_slice(&bytes[..count]),
        }
        if request.len() > LONGEST {
            return Ok(());
        }
    }
    let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, body) = match path.split('?').next().unwrap_or_default() {
        _ if method != "GET" && method != "HEAD" => ("405 Method Not Allowed", "GET or HEAD\n".into()),
        // It waits for a script that runs, as long as clients do.
        "/metrics" => match tokio::task::block_in_place(|| metrics(store, session)) {
            Ok(text) => ("200 OK", text),
            Err(why) => ("503 Service Unavailable", format!("{why}\n")),
        },
        "/health" => ("200 OK", "ok\n".into()),
        _ => ("404 Not Found", "/metrics or /health\n".into()),
    };
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let mut reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if method != "HEAD" {
        reply.push_str(&body);
    }
    stream.write_all(reply.as_bytes()).await?;
    stream.shutdown().await
}

/// The store's counters, and each number of INFO as `redis_<its name>`.
///
/// # Errors
/// What INFO says in place of numbers: `BUSY`, while somebody's script runs.
fn metrics(store: &Store, session: &Mutex<Session>) -> Result<String, ErrorReply> {
    let info = session.lock().unwrap_or_else(PoisonError::into_inner).call(["INFO", "everything"]);
    let info = match info {
        Reply::Verbatim(_, info) => info,
        Reply::Error(why) => return Err(why),
        _ => Bytes::default(),
    };
    let mut text = String::new();
    if let Ok(stats) = store.stats() {
        let counters = [
            ("hits", stats.hits),
            ("misses", stats.misses),
            ("writes", stats.writes),
            ("expirations", stats.expirations),
            ("expired_fields", stats.expired_fields),
            ("evictions", stats.evictions),
            ("loads", stats.loads),
        ];
        for (name, value) in counters {
            let _ = writeln!(text, "# TYPE larder_{name}_total counter\nlarder_{name}_total {value}");
        }
        for (name, value) in
            [("keys", stats.entries), ("keys_expiring", stats.expiring), ("bytes", stats.bytes)]
        {
            let _ = writeln!(text, "# TYPE larder_{name} gauge\nlarder_{name} {value}");
        }
    }
    // A metric's lines stand together, whatever database they are of.
    let mut of_databases = BTreeMap::<String, String>::new();
    for (name, fact) in String::from_utf8_lossy(&info).lines().filter_map(|line| line.split_once(':')) {
        if fact.parse::<f64>().is_ok_and(f64::is_finite) {
            let _ = writeln!(text, "# TYPE redis_{name} untyped\nredis_{name} {fact}");
        } else if name.ends_with("_status") {
            let is_ok = u8::from(fact == "ok");
            let _ = writeln!(text, "# TYPE redis_{name} gauge\nredis_{name} {is_ok}");
        } else if let Some(index) = name.strip_prefix("db").filter(|_| fact.starts_with("keys=")) {
            for (part, value) in fact.split(',').filter_map(|part| part.split_once('=')) {
                let lines = of_databases.entry(format!("redis_db_{part}")).or_default();
                let _ = writeln!(lines, "redis_db_{part}{{db=\"db{index}\"}} {value}");
            }
        }
    }
    for (name, lines) in of_databases {
        let _ = write!(text, "# TYPE {name} gauge\n{lines}");
    }
    Ok(text)
}
