//! What the program is told, and by whom.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::process::{Command, Stdio};

use super::{Client, LIMIT, PROGRAM, Program, program};
use crate::support::{Folder, until};

#[test]
fn the_version_line_is_read_by_harnesses() {
    let folder = Folder::new();
    for (arguments, name, version) in [
        (&["-v"][..], "Redis", "8.10."),
        (&["--version", "--compat", "7.0"], "Redis", "7.0."),
        (&["-v", "--compat", "7.2"], "Redis", "7.2."),
        (&["-v", "--compat", "8.2"], "Redis", "8.2."),
        (&["-v", "--compat", "valkey-9"], "Valkey", "9."),
    ] {
        let output = program(folder.path(), arguments).output().unwrap();
        assert!(output.status.success());
        let line = String::from_utf8(output.stdout).unwrap();
        let rest =
            line.strip_prefix(&format!("{name} server v={version}")).unwrap_or_else(|| panic!("{line}"));
        // No other number with a point may come first.
        assert!(rest.contains(" sha=") && rest.contains(" malloc=") && rest.contains(" build="), "{line}");
    }
    let output = program(folder.path(), &["-v"]).env("LARDER_COMPAT", "7.0").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("v=7.0."));
}

#[test]
fn help_is_there_for_who_asks() {
    let folder = Folder::new();
    for flag in ["-h", "--help"] {
        let output = program(folder.path(), &[flag]).output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("larder-server:") && text.contains("--snapshot"), "{text}");
    }
}

#[test]
fn the_first_line_names_the_port_and_another_says_that_it_is_ready() {
    let folder = Folder::new();
    for (compat, line) in
        [("7.0", "Ready to accept connections"), ("8.10", "Ready to accept connections tcp")]
    {
        let server = Program::start(folder.path(), &["--compat", compat]);
        assert_ne!(server.port, 0);
        assert_eq!(server.client().ask("PING"), "PONG");
        let ready = loop {
            let said = server.line().unwrap();
            if said.contains("Ready") {
                break said;
            }
        };
        assert!(ready.ends_with(&format!(" * {line}")), "{ready}");
        let id = server.child.id();
        assert!(ready.starts_with(&format!("{id}:M ")), "{ready}");
    }
}

#[test]
fn flags_go_over_the_file_and_the_file_over_the_environment() {
    let folder = Folder::new();
    let more = "# more\nhz 20\n";
    fs::write(folder.path().join("more.conf"), more).unwrap();
    let conf = "maxmemory 2mb\nMAXMEMORY-POLICY \"allkeys-lfu\"\n\ninclude more.conf\nlist-max-ziplist-size 7\n\
                save 60 5\nsave 30 7\ncompat 7.2\nrequirepass 'two words'\ndatabases 3\n";
    fs::write(folder.path().join("redis.conf"), conf).unwrap();
    let mut command =
        program(folder.path(), &["redis.conf", "--port", "0", "--maxmemory", "3mb", "--save", "10", "1"]);
    command
        .env("LARDER_MAXMEMORY", "1mb")
        .env("LARDER_TIMEOUT", "77")
        .env("LARDER_SAVE", "1 1")
        .env("LARDER_HZ", "30");
    command.env("LARDER_COMPAT", "8.2");
    let server = Program::spawn(command);
    let mut client = server.client();
    assert!(client.ask("GET a").starts_with("NOAUTH"));
    assert_eq!(client.ask("AUTH \"two words\""), "OK");
    assert_eq!(client.config("maxmemory"), (3 << 20).to_string());
    assert_eq!(client.config("maxmemory-policy"), "allkeys-lfu");
    assert_eq!(client.config("timeout"), "77");
    assert_eq!(client.config("hz"), "20");
    assert_eq!(client.config("list-max-listpack-size"), "7");
    assert_eq!(client.config("save"), "60 5 30 7 10 1");
    assert_eq!(client.config("databases"), "3");
    assert_eq!(client.config("port"), server.port.to_string());
    assert_eq!(client.ask("SELECT 3"), "ERR DB index is out of range");
    assert!(client.info("redis_version").starts_with("7.2."));
    assert_eq!(client.info("maxmemory_human"), "3.00M");
}

/// Those whose names fit, in their order, and none is no error; but one that is named has to be there.
#[test]
fn files_are_included_by_wildcards() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    for (name, hz) in [("conf.d/b.conf", 30), ("conf.d/a.conf", 20), ("conf.d/.c.conf", 40), ("d.conf", 50)] {
        fs::write(folder.path().join(name), format!("hz {hz}\n")).unwrap();
    }
    let path = folder.path().display();
    for (include, hz) in [
        ("conf.d/*.conf".into(), "30"),
        ("conf.?/[ax].conf".into(), "20"),
        ("conf.d/.*.conf".into(), "40"),
        (format!("\"{path}/conf.d/*.conf\""), "30"),
        ("no*.conf".into(), "10"),
        ("*/no.conf".into(), "10"),
        // From where the files of the store are, once that is said.
        ("no*.conf\ndir conf.d\ninclude a.conf".into(), "20"),
        ("no*.conf\ndir conf.d\ninclude [ab].conf".into(), "30"),
    ] {
        fs::write(folder.path().join("redis.conf"), format!("include {include}\n")).unwrap();
        let server = Program::spawn(program(folder.path(), &["redis.conf", "--port", "0"]));
        assert_eq!(server.client().config("hz"), hz, "{include}");
    }
    fs::write(folder.path().join("redis.conf"), "include no.conf\n").unwrap();
    let output = program(folder.path(), &["redis.conf", "--port", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

/// They are bytes, as those of Redis are.
#[test]
fn a_file_may_be_in_another_encoding() {
    let folder = Folder::new();
    fs::write(folder.path().join("redis.conf"), b"# caf\xe9\nrequirepass caf\xe9\nhz 20\n").unwrap();
    let server = Program::spawn(program(folder.path(), &["redis.conf", "--port", "0"]));
    let mut client = server.client();
    std::io::Write::write_all(client.0.get_mut(), b"AUTH caf\xe9\r\n").unwrap();
    assert_eq!(client.reply(), "OK");
    assert_eq!(client.config("hz"), "20");
}

#[test]
fn a_value_may_begin_as_a_flag_does() {
    let folder = Folder::new();
    for (arguments, password) in [
        (&["--requirepass", "--hz"][..], "--hz"),
        (&["--requirepass", "-", "--hz", "10"], "-"),
        (&["--save", "--requirepass", "-x"], "-x"),
        (&["--replicaof", "no", "one", "--requirepass", "x"], "x"),
    ] {
        let server = Program::start(folder.path(), arguments);
        assert_eq!(server.client().ask(&format!("AUTH {password}")), "OK", "{arguments:?}");
    }
}

#[test]
fn paths_lead_from_the_folder_on() {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/users.acl"), "user ann on nopass ~* +@all\n").unwrap();
    let server = Program::start(
        folder.path(),
        &["--dir", "sub", "--aclfile", "users.acl", "--unixsocket", "redis.sock", "--logfile", "log"],
    );
    let mut client = server.client();
    assert_eq!(client.ask("ACL USERS"), "ann default");
    assert_eq!(client.ask("ACL SETUSER bob"), "OK");
    assert_eq!(client.ask("ACL SAVE"), "OK");
    assert!(fs::read_to_string(folder.path().join("sub/users.acl")).unwrap().contains("user bob "));
    assert!(folder.path().join("sub/redis.sock").exists() && folder.path().join("sub/log").exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Whoever rotates it moves it away.
#[test]
fn a_log_that_is_gone_is_begun_anew() {
    let folder = Folder::new();
    let server = Program::start(folder.path(), &["--logfile", "log"]);
    let log = |name| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    until("ready", || log("log").contains("Ready"));
    fs::rename(folder.path().join("log"), folder.path().join("log.1")).unwrap();
    assert_eq!(server.client().ask("SAVE"), "OK");
    assert!(log("log").contains("DB saved on disk") && !log("log.1").contains("DB saved on disk"));
}

/// Which of the passwords is the default user's: as in Redis, but that the password holds where the ACL file does not name it.
#[test]
fn rules_for_the_default_user_go_over_the_password() {
    let folder = Folder::new();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    file("rules.conf", "user default on >rules ~* &* +@all\nrequirepass secret\n");
    file("rules.acl", "user default on >rules ~* &* +@all\n");
    file("others.acl", "user ann on nopass\n");
    for (arguments, password) in [
        (&["rules.conf", "--port", "0"][..], "rules"),
        (&["--port", "0", "--requirepass", "secret", "--aclfile", "rules.acl"], "rules"),
        (&["--port", "0", "--requirepass", "secret", "--aclfile", "others.acl"], "secret"),
    ] {
        let server = Program::spawn(program(folder.path(), arguments));
        for told in ["rules", "secret"] {
            let reply = server.client().ask(&format!("AUTH {told}"));
            assert_eq!(reply == "OK", told == password, "{arguments:?}: {told}: {reply}");
        }
    }
}

#[test]
fn what_is_wrong_with_the_acl_file_is_told() {
    let folder = Folder::new();
    fs::write(folder.path().join("users.acl"), "user ann +nothing\n").unwrap();
    for (name, why) in [
        (
            "users.acl",
            "users.acl:1: Error in applying operation '+nothing': Unknown command or category name",
        ),
        ("none.acl", "Error loading ACLs, opening file 'none.acl': No such file or directory"),
    ] {
        let output = program(folder.path(), &["--port", "0", "--aclfile", name]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&format!(" # Aborting Redis startup because of ACL errors: {why}")), "{said}");
    }
}

/// As the `command` of a compose file for an image of Redis does.
#[test]
fn the_program_may_be_named_once_more() {
    let folder = Folder::new();
    let start =
        |arguments: &[&str]| Program::spawn(program(folder.path(), &[arguments, &["--port", "0"]].concat()));
    for name in ["redis-server", "valkey-server", "/no/such/folder/larder-server"] {
        let server = start(&[name, "--requirepass", "x"]);
        assert!(server.client().ask("PING").starts_with("NOAUTH"), "{name}");
        let output = program(folder.path(), &[name, "--version"]).output().unwrap();
        assert!(output.status.success() && output.stdout.starts_with(b"Redis server v="), "{name}");
    }
    // The program by a link to it, as the image has it.
    std::os::unix::fs::symlink(super::PROGRAM, folder.path().join("valkey-server")).unwrap();
    assert_eq!(start(&["./valkey-server", "--hz", "33"]).client().config("hz"), "33");
    // A file is a file, whatever its name is; and but one name is dropped.
    fs::write(folder.path().join("redis-server"), "hz 44\n").unwrap();
    assert_eq!(start(&["redis-server"]).client().config("hz"), "44");
    let output = program(folder.path(), &["larder-server", "larder-server"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn more_of_the_configuration_may_come_from_the_standard_input() {
    let folder = Folder::new();
    let mut command = program(folder.path(), &["-", "--port", "0"]);
    let path = folder.path().join("input");
    fs::write(&path, "port 1\nhz 33").unwrap();
    command.stdin(fs::File::open(path).unwrap());
    assert_eq!(Program::spawn(command).client().config("hz"), "33");
}

#[test]
fn what_is_not_said_is_as_in_redis() {
    let folder = Folder::new();
    let server = Program::start(folder.path(), &[]);
    let mut client = server.client();
    assert_eq!(client.config("save"), "3600 1 300 100 60 10000");
    assert_eq!(client.config("dbfilename"), "dump.rdb");
    assert_eq!(client.config("dir"), folder.path().canonicalize().unwrap().to_string_lossy());
    assert_eq!(client.config("appendonly"), "no");
    assert_eq!(client.config("enable-debug-command"), "no");
    assert!(client.ask("DEBUG SLEEP 0").starts_with("ERR DEBUG command not allowed."));
}

#[test]
fn it_listens_on_several_addresses_with_one_port() {
    let folder = Folder::new();
    let server = Program::start(folder.path(), &["--bind", "127.0.0.1", "127.0.0.2", "-::7:7"]);
    let mut others = std::net::TcpStream::connect(("127.0.0.2", server.port)).unwrap();
    std::io::Write::write_all(&mut others, b"PING\r\n").unwrap();
    assert_eq!(server.client().config("bind"), "127.0.0.1 127.0.0.2 -::7:7");
    // Redis's own line: each kind of address by itself. A machine may have but one.
    let all = Program::start(folder.path(), &["--bind", "*", "-::*"]);
    assert_eq!(all.client().ask("PING"), "PONG");
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert!(std::net::TcpStream::connect(("::1", all.port)).is_ok());
        let six = Program::start(folder.path(), &["--bind", "::*"]);
        assert!(std::net::TcpStream::connect(("::1", six.port)).is_ok());
        assert!(std::net::TcpStream::connect(("127.0.0.1", six.port)).is_err());
    }
    let fails = program(folder.path(), &["--port", "0", "--bind", "::7:7"]).output().unwrap();
    assert_eq!(fails.status.code(), Some(1));
}

#[test]
fn debug_may_be_allowed() {
    let folder = Folder::new();
    for allowed in ["yes", "local"] {
        let server = Program::start(folder.path(), &["--enable-debug-command", allowed]);
        assert_eq!(server.client().ask("DEBUG SLEEP 0"), "OK");
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let folder = Folder::new();
    for (arguments, why) in [
        #[cfg(not(feature = "journal"))]
        (&["--appendonly", "yes"][..], "built without the feature `journal`"),
        (&["--appenddirname", "a/b"][..], "appenddirname can't be a path, just a dirname"),
        (&["--daemonize", "yes"], "this server stays in the foreground"),
        (&["--cluster-enabled", "yes"], "no part of a cluster"),
        (&["--replicaof", "127.0.0.1", "6379"], "replicates no other"),
        (&["--loadmodule", "x.so"], "modules cannot be loaded"),
        (&["--tls-port", "6380"], "no TLS port"),
        (&["--bind", "somewhere"], "'somewhere' is no IP address"),
        (&["--compat", "6.0"], "compat '6.0' is none of 7.0, 7.2"),
        (&["nonsense.conf"], "can't open config file 'nonsense.conf': No such file or directory"),
        (&["-x"], "'-x' belongs to no option"),
    ] {
        let output = program(folder.path(), arguments).stdout(Stdio::piped()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
}

/// Redis's words for a bad line, with its version in them; and Valkey's, where they are the same.
#[test]
fn bad_settings_are_refused_in_the_words_of_redis() {
    let folder = Folder::new();
    let file = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    file("two.conf", "port 0\n  # comment\nport 1 2\n");
    file("quote.conf", "\n\nbind \"127.0.0.1\n");
    file("dir.conf", "dir /nonexistent/folder");
    let valkey = std::env::var_os("LARDER_VALKEY_SERVER").unwrap_or_default();
    for (compat, server, version) in
        [("7.0", OsString::from("redis-server"), " v=7.0.15 "), ("valkey-9", valkey, " v=9.1.2 ")]
    {
        let Ok(told) = Command::new(&server).arg("-v").output() else { continue };
        if !String::from_utf8(told.stdout).unwrap().contains(version) {
            continue;
        }
        for arguments in BAD {
            let ask = |name: &OsStr| {
                let mut command = Command::new(name);
                command.args(*arguments).current_dir(folder.path()).stdin(Stdio::null());
                let output = command.env("LARDER_COMPAT", compat).output().unwrap();
                (output.status.code(), String::from_utf8(output.stderr).unwrap())
            };
            assert_eq!(ask(PROGRAM.as_ref()), ask(&server), "{arguments:?}, {compat}");
        }
    }
}

const BAD: &[&[&str]] = &[
    &["--port", "99999"],
    &["--port", "x"],
    &["--port"],
    &["--foo", "1"],
    &["--foo"],
    &["--maxmemory", "abc"],
    &["--maxmemory-policy", "foo"],
    &["--maxmemory-policy", "allkeys-lrm"],
    &["--databases", "0"],
    &["--timeout", "-1"],
    &["--maxclients", "0"],
    &["--save", "a b"],
    &["--save", "1"],
    &["--loglevel", "loud"],
    &["--appendonly", "maybe"],
    &["--enable-debug-command", "never"],
    &["--enable-protected-configs", "never"],
    &["--rdbcompression", "perhaps"],
    &["--hz", "1", "2"],
    &["--unixsocketperm", "999"],
    &["--unixsocketperm", "1777"],
    &["--shutdown-on-sigterm", "save", "nosave"],
    &["--shutdown-on-sigterm", "nosave", "later"],
    &["--dbfilename", "a/b"],
    &["--dbfilename"],
    &["--dir", "two.conf"],
    &["--client-output-buffer-limit", "normal", "0"],
    &["--client-output-buffer-limit", "nobody", "0", "0", "0"],
    &["--notify-keyspace-events", "x!"],
    &["--notify-keyspace-events", "K", "E"],
    &["--replicaof", "host"],
    &["--maxmemory-clients", "abc"],
    &["--oom-score-adj-values", "1", "2"],
    &["--oom-score-adj-values", "1", "2", "3000"],
    &["--proc-title-template", "{foo}"],
    &["--cluster-announce-hostname", "a_b"],
    &["--lua-replicate-commands"],
    &["--lua-replicate-commands", "yes", "no"],
    &["--list-max-ziplist-value", "1", "2"],
    &["two.conf"],
    &["quote.conf"],
    &["dir.conf"],
    &["two.conf", "--port", "0"],
];

/// Lines that say nothing any more, which older files still have; and save points that are none.
#[test]
fn what_redis_passes_over_is_passed_over() {
    let folder = Folder::new();
    let lines = "lua-replicate-commands yes\nlist-max-ziplist-entries 512\nLIST-MAX-ZIPLIST-VALUE what\n";
    let more = "io-threads-do-reads what\n";
    for (compat, text) in [
        ("7.0", lines.to_owned()),
        ("8.2", format!("{lines}{more}")),
        ("8.10", format!("{lines}{more}maxmemory-policy allkeys-lrm\n")),
        ("valkey-9", format!("{lines}{more}dynamic-hz what\n")),
    ] {
        fs::write(folder.path().join("old.conf"), text).unwrap();
        let mut command =
            program(folder.path(), &["old.conf", "--compat", compat, "--port", "0", "--save", "60", "1"]);
        command.args(["--save", "--appendonly", "no"]);
        let server = Program::spawn(command);
        assert_eq!(server.client().config("save"), "", "{compat}");
        if compat == "8.10" {
            assert_eq!(server.client().config("maxmemory-policy"), "allkeys-lrm");
        }
    }
}

#[test]
fn metrics_and_health_are_told_over_http() {
    let folder = Folder::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Program::start(folder.path(), &["--metrics", &free.to_string(), "--requirepass", "secret"]);
    let mut client = server.client();
    client.ask("AUTH secret");
    client.ask("SET a 1");
    let get = |path: &str| {
        let mut stream = std::net::TcpStream::connect(free).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        std::io::Write::write_all(&mut stream, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes())
            .unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    let metrics = get("/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    for line in
        ["larder_writes_total 1", "larder_keys 1", "redis_connected_clients ", "redis_db_keys{db=\"db0\"} 1"]
    {
        assert!(metrics.contains(&format!("\n{line}")), "no {line} in {metrics}");
    }
    // All of one metric stand together.
    client.ask("SELECT 1");
    client.ask("SET a 1");
    assert!(get("/metrics").contains("redis_db_keys{db=\"db0\"} 1\nredis_db_keys{db=\"db1\"} 1\n"));
    // Whoever may do what.
    assert_eq!(client.ask("ACL SETUSER ann on nopass +@all"), "OK");
    assert_eq!(client.ask("AUTH ann x"), "OK");
    for command in ["CONFIG SET requirepass other", "ACL SETUSER default -@all", "ACL SETUSER default off"] {
        assert_eq!(client.ask(command), "OK");
        assert!(get("/metrics").starts_with("HTTP/1.1 200 OK\r\n"), "{command}");
    }
    assert!(get("/health").ends_with("\r\n\r\nok\n"));
    assert!(get("/what").starts_with("HTTP/1.1 404"));
    // It is not held back with the clients.
    assert_eq!(client.ask("CLIENT PAUSE 1000000 ALL"), "OK");
    assert!(get("/metrics").starts_with("HTTP/1.1 200 OK\r\n"));
    let _: &mut Client = &mut client;
}

/// Where a service is called so, Kubernetes sets that.
#[test]
fn a_port_that_is_an_address_is_none_of_its_own() {
    let folder = Folder::new();
    let mut command = program(folder.path(), &["--port", "0"]);
    command.env("LARDER_PORT", "tcp://10.0.0.1:6379");
    assert_eq!(Program::spawn(command).client().ask("PING"), "PONG");
}

/// Each takes a file, and the process may have few.
#[cfg(target_os = "linux")]
#[test]
fn there_are_no_more_clients_than_there_can_be() {
    let folder = Folder::new();
    let mut command = program(folder.path(), &[]);
    let server = std::mem::replace(&mut command, std::process::Command::new("sh"));
    command.args(["-c", "ulimit -n 60; exec \"$0\" --port 0"]).arg(server.get_program());
    command.current_dir(folder.path());
    let server = Program::spawn(command);
    server.says("maxclients is 28 and not 10000");
    let mut clients: Vec<_> = (0..28).map(|_| server.client()).collect();
    assert!(clients.iter_mut().all(|client| client.ask("PING") == "PONG"));
    assert_eq!(server.client().reply(), "ERR max number of clients reached");
    assert_eq!(clients[0].config("maxclients"), "28");
}

#[test]
fn what_clients_set_is_put_into_the_file() {
    let folder = Folder::new();
    let path = folder.path().join("larder.conf");
    fs::write(&path, "# ours\nmaxclients 100\nsnapshot x\nport 0\n").unwrap();
    let server = Program::spawn(program(folder.path(), &[path.to_str().unwrap(), "--save", ""]));
    let mut client = server.client();
    assert_eq!(client.ask("CONFIG SET maxclients 50 timeout 600"), "OK");
    assert_eq!(client.ask("CONFIG REWRITE"), "OK");
    let expected =
        "# ours\nmaxclients 50\nsnapshot x\nport 0\n\n# Generated by CONFIG REWRITE\ntimeout 600\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    // Users are no parameters, and stay as well.
    for command in [
        r#"ACL SETUSER ann on >one "~a\"b" %R~c* "(~d +get)" +@read"#,
        "ACL SETUSER bob off",
        "CONFIG SET requirepass x",
    ] {
        assert_eq!(client.ask(command), "OK", "{command}");
    }
    assert_eq!(client.ask("CONFIG REWRITE"), "OK");
    let before = client.ask("ACL LIST");
    drop(server);
    let server = Program::spawn(program(folder.path(), &[path.to_str().unwrap(), "--save", ""]));
    let mut client = server.client();
    assert_eq!(client.ask("AUTH x"), "OK");
    assert_eq!(client.ask("ACL LIST"), before, "{}", fs::read_to_string(&path).unwrap());

    let server = Program::start(folder.path(), &["--port", "0"]);
    let said = server.client().ask("CONFIG REWRITE");
    assert_eq!(said, "ERR The server is running without a config file");
}
