//! Users that a server is given by its configuration, and by a file of their own; and rules within parentheses.

use std::fs;

use larder::{Compat, Reply, Server, ServerConfig, Store};

use super::compare_lines;
use crate::support::Folder;

#[test]
fn users_of_the_configuration_are_known_to_the_server() {
    let mut config = ServerConfig::new(Compat::Redis82);
    config.read("user alice on >pw ~a* +@read\nuser default off").unwrap();
    let again = config.read("user alice on").unwrap_err();
    assert_eq!(
        again.to_string(),
        "Error in user declaration 'alice': Duplicate user found. A user can only be \
                                   defined once in config files"
    );
    let unknown = config.read("user bob +nope").unwrap_err();
    let text = "Error in user declaration '+nope': Unknown command or category name in ACL";
    assert_eq!(unknown.to_string(), text);

    let server = config.server().unwrap().start(&config.store().build()).unwrap();
    let mut session = server.store().session().compat(Compat::Redis82);
    let error = session.call(["PING"]);
    assert_eq!(session.encode(&error), b"-NOAUTH Authentication required.\r\n");
    assert_eq!(session.call(["AUTH", "alice", "pw"]), Reply::OK);
    assert_eq!(session.call(["GET", "a1"]), Reply::Nil);
    let error = session.call(["GET", "b1"]);
    assert_eq!(session.encode(&error), b"-NOPERM No permissions to access a key\r\n");

    config.set("aclfile", "users.acl").unwrap();
    assert!(config.server().unwrap_err().to_string().contains("not in both"));
    let refused = Server::builder().user("bob", "+nope").start(&Store::new()).unwrap_err();
    assert_eq!(refused.to_string(), text);
}

/// The texts are those of all three servers.
#[test]
fn users_are_loaded_from_their_file_and_saved_to_it() {
    let folder = Folder::new();
    let path = folder.path().join("users.acl");
    let file = path.to_string_lossy().into_owned();
    fs::write(&path, "\nuser alice on >pw ~a* +@read (~b* +set)\nuser bob off\n").unwrap();
    let mut config = ServerConfig::new(Compat::Valkey9);
    config.set("aclfile", &file).unwrap();
    let server = config.server().unwrap().start(&config.store().build()).unwrap();
    let session = || server.store().session().compat(Compat::Valkey9);
    let (mut admin, mut alice, mut bob) = (session(), session(), session());
    assert_eq!(alice.call(["AUTH", "alice", "pw"]), Reply::OK);

    admin.call(["ACL", "SETUSER", "bob", "on", "nopass", "+get"]);
    assert_eq!(bob.call(["AUTH", "bob", "x"]), Reply::OK);
    assert_eq!(admin.call(["ACL", "SAVE"]), Reply::OK);
    let saved = "user alice on #30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4 ~a* resetchannels -@all \
                 +@read (~b* resetchannels -@all +set)\nuser bob on nopass resetchannels -@all +get\nuser default on \
                 nopass ~* &* +@all\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), saved);
    assert_eq!(admin.call(["ACL", "LOAD"]), Reply::OK);
    assert!(!alice.is_over() && !bob.is_over(), "they are the same as before");

    fs::write(&path, "user alice foo\nnope x\nuser a\nuser a on\nuser b +@foo\nuser d (~x\n").unwrap();
    let reply = admin.call(["ACL", "LOAD"]);
    let text = format!(
        "-ERR {file}:1: Syntax error. {file}:2 should start with user keyword followed by the username. WARNING: \
         Duplicate user 'a' found on line 4. {file}:5: Error in applying operation '+@foo': Unknown command or \
         category name in ACL. {file}:6: Unmatched parenthesis in selector definition.WARNING: ACL errors detected, \
         no change to the previously active ACL rules was performed\r\n"
    );
    assert_eq!(String::from_utf8(admin.encode(&reply)).unwrap(), text);
    assert!(!bob.is_over(), "all is as it was");

    fs::write(&path, saved.replace("bob", "carl")).unwrap();
    assert_eq!(admin.call(["ACL", "LOAD"]), Reply::OK);
    assert!(bob.is_over() && !alice.is_over());
    fs::remove_file(&path).unwrap();
    let reply = admin.call(["ACL", "LOAD"]);
    let text = format!("-ERR Error loading ACLs, opening file '{file}': No such file or directory\r\n");
    assert_eq!(String::from_utf8(admin.encode(&reply)).unwrap(), text);
}

/// Redis 7.0 begins anew with each that is opened.
#[test]
fn parentheses_within_others_are_taken_as_each_server_takes_them() {
    compare_lines(
        '|',
        [
            "ACL|SETUSER|v|(|(|<secret|(~b +@blocking)",
            "ACL|SETUSER|v|(+get|(+set|~a)",
            "ACL|SETUSER|v|(+get|+set",
            "ACL|SETUSER|v|(+get|(",
            "ACL|SETUSER|v|(+get|(~a)|+set)",
            "ACL|SETUSER|v|(+get (~a|+set)",
            "ACL|LIST",
            "ACL|DELUSER|v",
        ],
    );
}
