use super::*;
use crate::testing::TempDir;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

/// Serves until `count` requests were answered, each with the line it was and a long tail.
fn echo(server: &mut Server, count: usize) {
    let mut answered = 0;
    while answered < count && server.fd().wait_readable(3000).unwrap() {
        server
            .serve(|line, response| {
                response.write(line.as_bytes());
                response.write(&[b'.'; 100_000]);
                answered += 1;
            })
            .unwrap();
    }
    assert_eq!(answered, count);
}

#[test]
fn a_request_gets_its_answer_however_long() {
    let dir = TempDir::new();
    let path = dir.path("socket");
    let mut server = Server::open(&path).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    let asked = path.clone();
    let client = std::thread::spawn(move || {
        let mut answer = Vec::new();
        request(&asked, "status --json", &mut |bytes| {
            answer.extend_from_slice(bytes)
        })
        .unwrap();
        answer
    });
    echo(&mut server, 1);
    let answer = client.join().unwrap();
    assert!(answer.starts_with(b"status --json.") && answer.len() == 100_013);
    drop(server);
    assert_eq!(
        request(&path, "x", &mut |_| {}).unwrap_err().errno,
        libc::ENOENT
    );
}

#[test]
fn an_answer_of_many_pieces_is_whole_for_a_reader_that_comes_late() {
    let dir = TempDir::new();
    let path = dir.path("socket");
    let mut server = Server::open(&path).unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"status\n").unwrap();
    let mut answered = false;
    while !answered && server.fd().wait_readable(3000).unwrap() {
        server
            .serve(|_, response| {
                (0..20_000).for_each(|_| response.write(b"abc"));
                answered = true;
            })
            .unwrap();
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.len(), 60_000);
    assert!(answer.chunks(3).all(|piece| piece == b"abc"));
}

#[test]
fn a_socket_left_behind_is_replaced_and_a_living_one_is_not() {
    let dir = TempDir::new();
    let path = dir.path("socket");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert_eq!(
        request(&path, "x", &mut |_| {}).unwrap_err().errno,
        libc::ECONNREFUSED
    );
    let server = Server::open(&path).unwrap();
    assert_eq!(Server::open(&path).err().unwrap().errno, libc::EADDRINUSE);
    assert!(crate::file::exists(&path));
    drop(server);
    assert!(!crate::file::exists(&path));
}

#[test]
fn silent_and_endless_clients_do_not_keep_others_out() {
    let dir = TempDir::new();
    let path = dir.path("socket");
    let mut server = Server::open(&path).unwrap();
    let mut idle = Vec::new();
    for _ in 0..10 {
        let mut stream = UnixStream::connect(&path).unwrap();
        let _ = stream.write_all(&[b'x'; 100]);
        idle.push(stream);
        server.serve(|_, _| panic!("no line is complete")).unwrap();
    }
    let mut endless = UnixStream::connect(&path).unwrap();
    endless.write_all(&[b'x'; 300]).unwrap();
    for _ in 0..4 {
        server.serve(|_, _| panic!("no line is complete")).unwrap();
    }
    assert_eq!(endless.read(&mut [0; 4]).unwrap_or(0), 0);
    let mut good = UnixStream::connect(&path).unwrap();
    good.write_all(b"pi").unwrap();
    server.serve(|_, _| panic!("no line is complete")).unwrap();
    good.write_all(b"ng\n").unwrap();
    echo(&mut server, 1);
    let mut answer = String::new();
    good.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("ping...."));
}

#[test]
fn a_reader_that_does_not_keep_up_loses_the_rest() {
    let dir = TempDir::new();
    let path = dir.path("socket");
    let mut server = Server::open(&path).unwrap();
    let mut slow = UnixStream::connect(&path).unwrap();
    slow.write_all(b"all\n").unwrap();
    let mut broken = false;
    for _ in 0..3 {
        server
            .serve(|_, response| {
                for _ in 0..100 {
                    response.write(&[0; 65536]);
                }
                broken = response.broken();
            })
            .unwrap();
    }
    assert!(broken);
    let mut got = Vec::new();
    slow.read_to_end(&mut got).unwrap();
    assert!((100_000..6_553_600).contains(&got.len()), "{}", got.len());
}

#[test]
fn an_answer_that_is_held_is_told_later_and_ends_when_it_is_said() {
    let dir = TempDir::new();
    let path = dir.path("socket");
    let mut server = Server::open(&path).unwrap();
    assert!(!server.tell_held(|_| {}));
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"community\n").unwrap();
    let mut held = false;
    while !held && server.fd().wait_readable(3000).unwrap() {
        let hold = |_: &str, response: &mut Response<'_>| {
            response.write(b"one ");
            response.hold();
            held = true;
        };
        server.serve(hold).unwrap();
    }
    assert!(server.tell_held(|response| response.write(b"two ")));
    assert!(server.tell_held(|response| response.write(b"three")));
    server.end_held();
    assert!(!server.tell_held(|_| panic!("it is over")));
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one two three");
}

#[test]
fn who_leaves_while_his_answer_is_held_is_forgotten() {
    let dir = TempDir::new();
    let path = dir.path("socket");
    let mut server = Server::open(&path).unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"community\n").unwrap();
    let mut held = false;
    while !held && server.fd().wait_readable(3000).unwrap() {
        let hold = |_: &str, response: &mut Response<'_>| {
            response.hold();
            held = true;
        };
        server.serve(hold).unwrap();
    }
    drop(stream);
    for _ in 0..3 {
        if server.fd().wait_readable(1000).unwrap() {
            server.serve(|_, _| panic!("nothing is asked")).unwrap();
        }
    }
    assert!(!server.tell_held(|_| {}));
}
