//! How the program ends, and what is on the disk then.

use std::fs;
use std::thread;

use super::{Program, program};
use crate::support::{Folder, until};

/// The same with larder's own file and with Redis's.
const FILES: [&[&str]; 2] = [&["--snapshot", "larder.snapshot"], &["--dbfilename", "test.rdb"]];

/// Others are told of a script at once.
#[cfg(feature = "lua")]
const SOON: &[&str] = &["--busy-reply-threshold", "1"];
#[cfg(feature = "lua")]
const ENDLESS: &str = "EVAL \"redis.call('set', 'a', 1) while true do end\" 0";

#[test]
fn a_signal_saves_and_a_restart_loads() {
    for file in FILES {
        for (signal, name) in [("TERM", "SIGTERM"), ("INT", "SIGINT")] {
            let folder = Folder::new();
            let mut server = Program::start(folder.path(), file);
            assert_eq!(server.client().ask("SET greeting hello"), "OK");
            server.signal(signal);
            server.says(&format!("Received {name}"));
            server.says("DB saved on disk");
            assert_eq!(server.ended().code(), Some(0));
            let server = Program::start(folder.path(), file);
            server.says("DB loaded");
            assert_eq!(server.client().ask("GET greeting"), "hello");
            assert_eq!(server.client().info("rdb_changes_since_last_save"), "0");
        }
    }
}

/// As Redis: a file is read as it is, and what comes then is over the limit.
#[test]
fn what_is_more_than_the_limit_of_memory_stays() {
    for file in FILES {
        let folder = Folder::new();
        let mut server = Program::start(folder.path(), file);
        let mut client = server.client();
        for n in 0..40 {
            assert_eq!(client.ask(&format!("SETRANGE page:{n} 100000 x")), "100001");
        }
        assert_eq!(client.ask("SHUTDOWN SAVE"), "");
        assert_eq!(server.ended().code(), Some(0));
        let server = Program::start(folder.path(), &[file, &["--maxmemory", "2mb"]].concat());
        let mut client = server.client();
        assert_eq!(client.ask("DBSIZE"), "40");
        assert_eq!(client.ask("SET a 1"), "OOM command not allowed when used memory > 'maxmemory'.");
        assert_eq!(client.ask("STRLEN page:39"), "100001");
    }
}

/// A limit that is lower by now is one for what comes.
#[test]
fn what_is_longer_than_the_limit_stays() {
    for file in FILES {
        let folder = Folder::new();
        let mut server = Program::start(folder.path(), &[file, &["--enable-debug-command", "yes"]].concat());
        let mut client = server.client();
        assert_eq!(client.ask("SETRANGE page 2000000 x"), "2000001");
        assert_eq!(client.ask("CONFIG SET proto-max-bulk-len 1mb"), "OK");
        assert_eq!(client.ask("DEBUG RELOAD"), "OK");
        assert_eq!(client.ask("STRLEN page"), "2000001");
        assert_eq!(client.ask("SHUTDOWN SAVE"), "");
        assert_eq!(server.ended().code(), Some(0));
        let server = Program::start(folder.path(), &[file, &["--proto-max-bulk-len", "1mb"]].concat());
        assert_eq!(server.client().ask("STRLEN page"), "2000001");
        assert_eq!(
            server.client().ask("SETRANGE page 2000000 x"),
            "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
        );
    }
}

/// Who is asked twice waits for nothing: not for a script that holds all there is to be saved.
#[cfg(feature = "lua")]
#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = Folder::new();
    let mut server = Program::start(folder.path(), &[FILES[1], SOON].concat());
    let mut client = server.client();
    assert_eq!(client.ask("SET greeting hello"), "OK");
    client.send(ENDLESS);
    let mut other = server.client();
    until("busy script", || other.ask("GET greeting").starts_with("BUSY"));
    server.signal("TERM");
    server.says("Received SIGTERM");
    server.signal("INT");
    assert_eq!(server.ended().code(), Some(1));
}

/// What every other client is told to do where a script can be killed no more; nothing else ends the server meanwhile.
#[cfg(feature = "lua")]
#[test]
fn a_shutdown_that_saves_nothing_waits_for_no_script() {
    let folder = Folder::new();
    let file = folder.path().join("test.rdb");
    let mut server = Program::start(folder.path(), &[FILES[1], SOON].concat());
    let mut client = server.client();
    client.send(ENDLESS);
    let mut other = server.client();
    until("script that has written", || {
        let said = other.ask("SCRIPT KILL");
        if said == "OK" {
            let reply = client.reply();
            assert!(reply.starts_with("ERR Script killed by user"), "{reply}");
            client.send(ENDLESS);
        }
        said.starts_with("UNKILLABLE")
    });
    until("busy script", || other.ask("GET a").starts_with("BUSY"));
    for how in ["SHUTDOWN", "SHUTDOWN SAVE", "SHUTDOWN NOW FORCE", "SHUTDOWN"] {
        let said = other.ask(how);
        assert!(said.starts_with("BUSY"), "{how}: {said}");
    }
    assert!(!file.exists());
    assert_eq!(other.ask("SHUTDOWN NOSAVE"), "");
    assert_eq!(server.ended().code(), Some(0));
    assert!(!file.exists());
}

/// Nor for those that are still to come in the transaction whose script it ends.
#[cfg(feature = "lua")]
#[test]
fn a_shutdown_that_saves_nothing_ends_all_scripts() {
    let folder = Folder::new();
    let mut server = Program::start(folder.path(), SOON);
    let mut client = server.client();
    assert_eq!(client.ask("MULTI"), "OK");
    for _ in 0..3 {
        assert_eq!(client.ask(ENDLESS), "QUEUED");
    }
    client.send("EXEC");
    let mut other = server.client();
    until("busy script", || other.ask("GET a").starts_with("BUSY"));
    assert_eq!(other.ask("SHUTDOWN NOSAVE"), "");
    assert_eq!(server.ended().code(), Some(0));
}

/// Nor do clients that are held back hold the end back.
#[test]
fn a_signal_ends_it_while_clients_pause() {
    let folder = Folder::new();
    let mut server = Program::start(folder.path(), &["--save", ""]);
    assert_eq!(server.client().ask("CLIENT PAUSE 3600000"), "OK");
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn without_save_points_a_signal_saves_a_snapshot_and_no_dump() {
    for (file, is_saved) in FILES.into_iter().zip([true, false]) {
        let folder = Folder::new();
        let mut server = Program::start(folder.path(), &[file, &["--save", ""]].concat());
        server.client().ask("SET greeting hello");
        server.signal("TERM");
        assert_eq!(server.ended().code(), Some(0));
        assert_eq!(folder.path().join(file[1]).exists(), is_saved);
    }
}

/// What it cannot save would be lost with it.
#[test]
fn a_signal_does_not_end_what_cannot_be_saved() {
    for file in FILES {
        let folder = Folder::new();
        let place = folder.path().join("place");
        fs::create_dir(&place).unwrap();
        let inside = format!("place/{}", file[1]);
        let arguments = if file[0] == "--snapshot" {
            vec![file[0], &inside]
        } else {
            vec!["--dir", "place", file[0], file[1]]
        };
        let mut server = Program::start(folder.path(), &arguments);
        assert_eq!(server.client().ask("SET greeting hello"), "OK");
        fs::remove_dir(&place).unwrap();
        server.signal("TERM");
        server.says("Error trying to save the DB");
        server.says("Errors trying to shut down the server. Check the logs for more information.");
        assert_eq!(server.client().ask("GET greeting"), "hello");
        fs::create_dir(&place).unwrap();
        server.signal("TERM");
        assert_eq!(server.ended().code(), Some(0));
        assert!(folder.path().join(inside).exists());
    }
}

/// Who says so loses it.
#[test]
fn a_client_may_end_what_cannot_be_saved() {
    let folder = Folder::new();
    let mut server = Program::start(folder.path(), FILES[1]);
    let mut client = server.client();
    client.ask("SET greeting hello");
    fs::create_dir(folder.path().join("test.rdb")).unwrap();
    assert_eq!(client.ask("SHUTDOWN SAVE"), "ERR Errors trying to SHUTDOWN. Check logs.");
    assert_eq!(client.ask("SHUTDOWN SAVE FORCE"), "");
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn what_a_signal_does_may_be_said() {
    for (said, is_saved, is_forced) in
        [("save now", true, false), ("now nosave", false, false), ("force default", true, true)]
    {
        let folder = Folder::new();
        let mut server = Program::start(folder.path(), FILES[1]);
        let mut client = server.client();
        client.ask("SET greeting hello");
        assert_eq!(client.ask(&format!("CONFIG SET shutdown-on-sigterm \"{said}\"")), "OK");
        if is_forced {
            fs::create_dir(folder.path().join("test.rdb")).unwrap();
        }
        server.signal("TERM");
        assert_eq!(server.ended().code(), Some(0), "{said}");
        assert_eq!(folder.path().join("test.rdb").exists(), is_saved, "{said}");
    }
}

#[test]
fn a_client_may_shut_it_down() {
    for (command, is_saved) in [("SHUTDOWN", true), ("SHUTDOWN NOSAVE", false), ("shutdown save now", true)] {
        let folder = Folder::new();
        let mut server = Program::start(folder.path(), FILES[1]);
        let mut client = server.client();
        client.ask("SET greeting hello");
        assert_eq!(client.ask("SHUTDOWN ABORT"), "ERR No shutdown in progress.");
        assert_eq!(client.ask(command), "");
        assert_eq!(server.ended().code(), Some(0));
        assert_eq!(folder.path().join("test.rdb").exists(), is_saved, "{command}");
    }
}

#[test]
fn a_process_that_is_killed_while_it_saves_leaves_the_old_file_whole() {
    for file in FILES {
        let folder = Folder::new();
        let mut server = Program::start(folder.path(), &[file, &["--save", ""]].concat());
        let mut client = server.client();
        for n in 0..20 {
            client.ask(&format!("SET key:{n} {}", "x".repeat(60_000)));
        }
        assert_eq!(client.ask("SAVE"), "OK");
        client.ask("SET unsaved 1");
        let saving = thread::spawn(move || while client.ask("SAVE") == "OK" {});
        let mut other = server.client();
        let before: u64 = other.info("rdb_saves").parse().unwrap();
        until("more saves", || other.info("rdb_saves").parse::<u64>().unwrap() > before + 3);
        server.child.kill().unwrap();
        server.ended();
        saving.join().unwrap();
        let server = Program::start(folder.path(), file);
        assert_eq!(server.client().ask("STRLEN key:19"), "60000");
    }
}

#[test]
fn save_points_save() {
    let folder = Folder::new();
    let server = Program::start(folder.path(), &["--save", "1", "2", "--dbfilename", "points.rdb"]);
    let mut client = server.client();
    client.ask("SET a 1");
    client.ask("SET b 1");
    until("file", || folder.path().join("points.rdb").exists());
    until("end of it", || client.info("rdb_changes_since_last_save") == "0");
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
}

#[test]
fn a_file_that_cannot_be_loaded_ends_the_start_and_is_named() {
    for file in FILES {
        let folder = Folder::new();
        fs::write(folder.path().join(file[1]), "no such thing").unwrap();
        let output = program(folder.path(), &[&["--port", "0"], file].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("Fatal error loading the DB") && said.contains(file[1]), "{said}");
        assert_eq!(fs::read(folder.path().join(file[1])).unwrap(), b"no such thing");
        fs::remove_file(folder.path().join(file[1])).unwrap();
        fs::create_dir(folder.path().join(file[1])).unwrap();
        let output = program(folder.path(), &[&["--port", "0"], file].concat()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!(" {:?}: Is a directory", file[1])), "{said}");
        fs::remove_dir(folder.path().join(file[1])).unwrap();
        // A link to itself: nobody can tell what is there.
        std::os::unix::fs::symlink(file[1], folder.path().join(file[1])).unwrap();
        let output = program(folder.path(), &[&["--port", "0"], file].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_port_that_is_taken_ends_the_start() {
    let folder = Folder::new();
    let server = Program::start(folder.path(), &[]);
    let output = program(folder.path(), &["--port", &server.port.to_string()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("Failed listening on port"), "{said}");
}

#[test]
fn a_socket_that_cannot_be_made_ends_the_start() {
    let folder = Folder::new();
    let path = folder.path().join("no/such.sock");
    let output =
        program(folder.path(), &["--port", "0", "--unixsocket", &path.to_string_lossy()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&format!("Failed opening Unix socket: bind: {}: ", path.display())), "{said}");
}

/// A store that is kept in a folder: what was acknowledged is there again, however it ended.
#[cfg(feature = "journal")]
mod kept {
    use super::*;

    #[test]
    fn it_is_there_again_after_a_kill() {
        for (when, name) in [("always", "appendonlydir"), ("everysec", "kept")] {
            let folder = Folder::new();
            let flags = ["--appendonly", "yes", "--appendfsync", when, "--appenddirname", name, "--save", ""];
            let mut server = Program::start(folder.path(), &flags);
            let mut client = server.client();
            assert_eq!(client.ask("RPUSH jobs a b"), "2");
            assert_eq!(client.ask("LPOP jobs"), "a");
            for (parameter, value) in [("appendonly", "yes"), ("appendfsync", when), ("appenddirname", name)]
            {
                assert_eq!(client.config(parameter), value);
            }
            let refused = "ERR CONFIG SET failed (possibly related to argument 'appendfsync') - can't set immutable config";
            assert_eq!(client.ask("CONFIG SET appendfsync no"), refused);
            assert_eq!(client.ask(&format!("CONFIG SET appendfsync {when} appendonly yes")), "OK");
            assert_eq!((client.info("aof_enabled"), client.info("aof_base_size")), ("1".into(), "0".into()));
            assert!(client.info("aof_current_size").parse::<u64>().unwrap() > 0);
            // Without waiting, a tenth of a second may be lost.
            if when == "everysec" {
                assert_eq!(client.ask("WAITAOF 1 0 0"), "1 0");
            }
            server.signal("KILL");
            server.ended();
            let mut server = Program::start(folder.path(), &flags);
            server.says("DB loaded from append only file");
            assert_eq!(server.client().ask("LPOP jobs"), "b");
            server.signal("TERM");
            assert_eq!(server.ended().code(), Some(0));
            let server = Program::start(folder.path(), &flags);
            assert_eq!(server.client().ask("EXISTS jobs"), "0");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "it saves to nothing else");
        }
    }

    /// Redis would begin with nothing, and save that over the file.
    #[test]
    fn a_dump_that_would_be_passed_over_is_refused() {
        let folder = Folder::new();
        let mut server = Program::start(folder.path(), &[]);
        server.client().ask("SET greeting hello");
        server.signal("TERM");
        assert_eq!(server.ended().code(), Some(0));
        let output = program(folder.path(), &["--port", "0", "--appendonly", "yes"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("dump.rdb would not be loaded"), "{said}");
        assert!(!folder.path().join("appendonlydir").exists());
    }
}
