//! Serving until somebody ends it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use larder::{Progress, Server, Shutdown, Store};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::arguments::Settings;
use crate::log::{Log, Place};
use crate::metrics;

/// A server that has begun.
pub struct Started {
    pub server: Server,
    /// For signals and metrics: the server has threads of its own.
    pub runtime: Runtime,
    pub signals: Signals,
    pub pidfile: Option<PidFile>,
    /// How many it had before it could be asked.
    pub keys: usize,
}

/// The file that holds the process's id, for as long as this is there.
pub struct PidFile(PathBuf);

impl PidFile {
    fn write(path: PathBuf, log: &Log) -> Option<PidFile> {
        match std::fs::write(&path, format!("{}\n", std::process::id())) {
            Ok(()) => Some(PidFile(path)),
            Err(error) => {
                log.warning(&format!("Failed to write PID file {}: {error}", path.display()));
                None
            }
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub fn serve(settings: &Settings) -> ExitCode {
    let log = match Log::open(settings, Place::Output) {
        Ok(log) => Arc::new(log),
        Err(why) => {
            let _ = io::stderr().write_all(format!("{why}\n").as_bytes());
            return ExitCode::FAILURE;
        }
    };
    let Started { server, runtime, mut signals, pidfile: _kept, keys } = match start(settings, &log) {
        Ok(started) => started,
        Err(why) => {
            log.warning(&why);
            return ExitCode::FAILURE;
        }
    };
    let mut output = io::stdout();
    let _ = writeln!(output, "larder-server ready: redis://{}", server.addr()).and_then(|()| output.flush());
    announce(settings, &server, keys, &log);
    let code = runtime.block_on(until_ended(server, &mut signals, &log));
    // Whoever still asks for metrics is not waited for.
    runtime.shutdown_background();
    code
}

/// Loads the store and opens the doors.
///
/// # Errors
/// What is to be told of why not.
pub fn start(settings: &Settings, log: &Arc<Log>) -> Result<Started, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| format!("Fatal error starting threads: {error}. Exiting."))?;
    let signals = {
        let _entered = runtime.enter();
        Signals::new().map_err(|error| format!("Fatal error listening to signals: {error}. Exiting."))?
    };
    let store = load(settings)?;
    // Counted while nobody else is there: it waits for who holds all, which may be a client's script at once.
    let keys = store.stats().map_or(0, |stats| stats.entries);
    let mut builder = settings.config.server().map_err(|error| format!("Fatal error: {error}. Exiting."))?;
    if let Some((_, most)) = too_many_clients(settings) {
        builder = builder.max_clients(most);
    }
    if let Some(file) = &settings.file {
        let log = Arc::clone(log);
        let saved = move |saved: Result<Progress, &larder::Error>| match saved {
            Ok(Progress { entries, bytes, .. }) => {
                log.notice(&format!("DB saved on disk: {entries} keys, {bytes} bytes"))
            }
            Err(error) => log.warning(&format!("Error trying to save the DB: {error}")),
        };
        builder = builder.save_to(file.clone()).save_listener(saved);
    }
    if let Some(path) = &settings.config_file {
        builder = builder.config_file(path);
    }
    let port = settings.get("port").unwrap_or_default();
    let socket = settings.get("unixsocket").filter(|path| !path.is_empty());
    let server = builder.start(&store).map_err(|error| {
        // Of what was asked for, such as the ACL file, all is said already.
        let is_asked = error.kind() == io::ErrorKind::InvalidInput;
        let error = error.to_string();
        // What could not be listened on stands in front.
        match socket.filter(|path| error.starts_with(&format!("{path}: "))) {
            Some(_) => format!("Failed opening Unix socket: bind: {error}"),
            None if is_asked => error,
            None => format!(
                "Failed listening on port {port} (tcp), aborting: Could not create server TCP listening socket: {error}"
            ),
        }
    })?;
    if let Some(address) = &settings.metrics {
        let _entered = runtime.enter();
        metrics::serve(address, store, server.session())
            .map_err(|error| format!("Failed listening on {address} for metrics: {error}"))?;
    }
    let pidfile = settings.path("pidfile").and_then(|path| PidFile::write(path, log));
    Ok(Started { server, runtime, signals, pidfile, keys })
}

/// How many clients there are to be at the most, and how many there can be, if those are fewer: each takes a file, and Redis
/// keeps 32 for itself.
fn too_many_clients(settings: &Settings) -> Option<(usize, usize)> {
    const OWN: usize = 32;
    let asked = settings.get("maxclients").and_then(|asked| asked.parse().ok()).unwrap_or(10_000);
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let files: usize = files.split_whitespace().next()?.parse().ok()?;
    let most = files.saturating_sub(OWN).max(1);
    (most < asked).then_some((asked, most))
}

/// The store as it was left.
fn load(settings: &Settings) -> Result<Store, String> {
    let builder = settings.config.store();
    let failed =
        |path: &Path, error| format!("Fatal error loading the DB from {}: {error}. Exiting.", path.display());
    #[cfg(feature = "journal")]
    if let Some(folder) = settings.config.folder() {
        if let Some(file) = settings.file.as_ref().filter(|file| !folder.exists() && file.path().exists()) {
            // Redis would begin with nothing, and save that over the file.
            return Err(format!(
                "Fatal error: with appendonly, {} would not be loaded, and {} is not there yet: move the file away. Exiting.",
                file.path().display(),
                folder.display()
            ));
        }
        return builder.open(&folder).map_err(|error| failed(&folder, error));
    }
    match &settings.file {
        None => Ok(builder.build()),
        Some(file) => file.load(builder).map_err(|error| failed(file.path(), error)),
    }
}

/// Tells what it has found, to people and to those who wait for the line that Redis writes.
pub fn announce(settings: &Settings, server: &Server, keys: usize, log: &Log) {
    let own = env!("CARGO_PKG_VERSION");
    let address = server.addr();
    let (version, bits, id) = (settings.compat.version(), usize::BITS, std::process::id());
    log.notice(&format!(
        "larder-server {own}, as Redis version={version}, bits={bits}, pid={id}, just started"
    ));
    if let Some((asked, most)) = too_many_clients(settings) {
        log.warning(&format!(
            "maxclients is {most} and not {asked}, as the system lets the process open no more files (ulimit -n)."
        ));
    }
    if let Some(path) = settings.get("unixsocket").filter(|path| !path.is_empty()) {
        #[cfg(unix)]
        log.notice(&format!("The server is now ready to accept connections at {path}"));
        #[cfg(not(unix))]
        log.warning(&format!("Warning: {path} is not served: clients reach this server by TCP"));
    }
    if !address.ip().is_loopback() && settings.get("requirepass").is_none() {
        log.warning("Warning: it listens beyond this machine, and there is no password (requirepass)");
    }
    #[cfg(feature = "journal")]
    if let Some(stats) = server.store().journal_stats() {
        let (folder, torn) = (stats.folder.display(), stats.recovered.torn_bytes);
        log.notice(&format!("DB loaded from append only file in {folder}: {keys} keys"));
        if torn > 0 {
            log.warning(&format!("The last {torn} bytes were torn off by a crash and are cut off"));
        }
    }
    let is_kept = settings.get("appendonly").as_deref() == Some("yes");
    if let Some(file) = settings.file.as_ref().filter(|file| !is_kept && file.path().exists()) {
        log.notice(&format!("DB loaded from {}: {keys} keys", file.path().display()));
    }
    log.notice(match settings.compat {
        larder::Compat::Redis70 => "Ready to accept connections",
        _ => "Ready to accept connections tcp",
    });
}

async fn until_ended(server: Server, signals: &mut Signals, log: &Arc<Log>) -> ExitCode {
    let (how, _insisting) = loop {
        let name = tokio::select! {
            // It has saved already.
            how = server.asked_to_shut_down() => {
                log.warning("User requested shutdown...");
                break (how, Insisting::new(1, log));
            }
            name = signals.next() => name,
        };
        let insisting = Insisting::new(1, log);
        log.warning(&format!("Received {name} scheduling shutdown..."));
        let (how, is_forced) = how_at(&server, name);
        match tokio::task::block_in_place(|| server.save_as(how)) {
            Ok(_) => break (how, insisting),
            Err(_) if is_forced => break (Shutdown::NoSave, insisting),
            // What cannot be saved would be lost: as Redis does, it serves on.
            Err(_) => {
                log.warning("Errors trying to shut down the server. Check the logs for more information.")
            }
        }
    };
    #[cfg(feature = "journal")]
    let store = server.store().clone();
    if server.shut_down(how).await.is_err() {
        // The log has it.
        return ExitCode::FAILURE;
    }
    // Whoever asks for metrics may have a handle yet.
    #[cfg(feature = "journal")]
    if store.journal_stats().is_some() {
        if let Err(error) = store.sync() {
            log.warning(&format!("Error writing to the append only file: {error}"));
            return ExitCode::FAILURE;
        }
    }
    log.warning("larder-server is now ready to exit, bye bye...");
    ExitCode::SUCCESS
}

/// As long as this is there, SIGINT ends the program: who insists waits for no client, no script and no save. As with Redis,
/// SIGTERM does not: harnesses repeat it.
pub struct Insisting(Option<JoinHandle<()>>);

impl Insisting {
    /// The so manieth one does, in the context of a runtime.
    pub fn new(count: usize, log: &Arc<Log>) -> Self {
        let log = Arc::clone(log);
        let signals = Signals::new().ok();
        Insisting(signals.map(|mut signals| {
            tokio::spawn(async move {
                let mut came = 0;
                while came < count {
                    came += usize::from(signals.next().await == "SIGINT");
                }
                log.warning("You insist... exiting now.");
                std::process::exit(1);
            })
        }))
    }
}

impl Drop for Insisting {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// What `shutdown-on-sigterm` and `shutdown-on-sigint` say: how, and whether in any case.
fn how_at(server: &Server, signal: &str) -> (Shutdown, bool) {
    let name = format!("shutdown-on-{}", signal.to_ascii_lowercase());
    // By no command: those may be held back.
    let said = server.parameter(&name);
    let says = |word: &str| said.split(' ').any(|said| said == word);
    let how = match (says("save"), says("nosave")) {
        (true, _) => Shutdown::Save,
        (_, true) => Shutdown::NoSave,
        _ => Shutdown::Default,
    };
    (how, says("force"))
}

/// The signals to end; they are taken notice of from when this is made.
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// In the context of a runtime.
    #[cfg(unix)]
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // Redis takes no notice of a terminal that goes away.
        let _hangup = signal(SignalKind::hangup())?;
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one; gives its name.
    #[cfg(unix)]
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    #[cfg(not(unix))]
    pub fn new() -> io::Result<Self> {
        Ok(Signals {})
    }

    /// Waits for Ctrl-C.
    #[cfg(not(unix))]
    pub async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "SIGINT",
            Err(_) => std::future::pending().await,
        }
    }
}
