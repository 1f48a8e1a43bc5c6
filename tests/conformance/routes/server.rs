//! Stock TensorBoard at work, and what its routes answer.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fmt::Write as _,
    io::{Read, Write as _},
    net::TcpStream,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Map, Value as Json};

use crate::python::{self, Running};

/// Far above what a step takes, so that a busy machine does not fail the test.
const LIMIT: Duration = Duration::from_secs(60);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// A server that is ended when it is dropped.
pub struct Server {
    /// Host and port.
    address: String,
    program: Running,
}

/// What a route answers.
pub struct Answer {
    pub content_type: String,
    pub body: Vec<u8>,
}

impl Server {
    /// Serves a log folder. `options` are TensorBoard's.
    pub fn start(logdir: &Path, options: &[&str]) -> Server {
        let mut arguments = vec![logdir.as_os_str()];
        arguments.extend(options.iter().map(|option| OsStr::new(*option)));
        let mut program = python::start("tests/support/stock_tensorboard.py", arguments);
        let line = program.first_line(LIMIT + LIMIT);
        let address = line.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Server { address, program }
    }

    /// Panics where the server had a warning or an exception to report.
    pub fn stop(self) {
        let finished = self.program.finish(LIMIT);
        assert!(finished.status.success(), "{}", finished.stderr);
    }

    /// What `/data/plugin/ROUTE` answers.
    pub fn get(&self, route: &str, query: &[(&str, &str)]) -> Answer {
        let path = path(route, query);
        self.request("GET", &path, "", "").unwrap_or_else(|status| panic!("{path}: {status}"))
    }

    /// What `/data/plugin/ROUTE` answers to a form or to JSON.
    pub fn post(&self, route: &str, content_type: &str, content: &str) -> Json {
        let path = path(route, &[]);
        let answer = self.request("POST", &path, content_type, content);
        json(&answer.unwrap_or_else(|status| panic!("{path}: {content}: {status}")))
    }

    /// The answer where it is JSON; `key` picks a member of it, unless it is empty. Null where there is none.
    pub fn json(&self, route: &str, query: &[(&str, &str)], key: &str) -> Json {
        let path = path(route, query);
        // The data server loads in the background: a route may not know a run yet.
        let Ok(answer) = self.request("GET", &path, "", "") else { return Json::Null };
        let mut answer = json(&answer);
        if key.is_empty() { answer } else { answer[key].take() }
    }

    /// Waits until a route answers with this JSON, and panics where it never does.
    pub fn shows(&self, route: &str, query: &[(&str, &str)], key: &str, expected: Json) {
        let expected = with_plain_numbers(expected);
        let deadline = Instant::now() + LIMIT / 2;
        while self.json(route, query, key) != expected && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
        assert_eq!(self.json(route, query, key), expected, "{} {key}", path(route, query));
    }

    /// As [`shows`](Server::shows), where the answer is a list in no order or the keys of an object count.
    pub fn shows_names(&self, route: &str, key: &str, expected: &[&str]) {
        let names = || match self.json(route, &[], key) {
            Json::Object(members) => members.keys().cloned().collect(),
            Json::Array(items) => items.iter().map(|item| item.as_str().unwrap().to_owned()).collect(),
            _ => BTreeSet::new(),
        };
        let expected = expected.iter().map(|&name| name.to_owned()).collect();
        let deadline = Instant::now() + LIMIT / 2;
        while names() != expected && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
        assert_eq!(names(), expected, "{route} {key}");
    }

    fn request(&self, method: &str, path: &str, content_type: &str, content: &str) -> Result<Answer, String> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let (host, length) = (&self.address, content.len());
        // Version 1.0: the answer comes in one piece and ends with the connection.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
             \r\n{content}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        let body = answer.split_off(end + 4);
        let status = head.lines().next().unwrap();
        if status.split(' ').nth(1) != Some("200") {
            return Err(format!("{status}\n{}", String::from_utf8_lossy(&body)));
        }
        let content_type = head.lines().find_map(|line| line.strip_prefix("Content-Type: "));
        Ok(Answer { content_type: content_type.unwrap_or_default().to_owned(), body })
    }
}

fn json(answer: &Answer) -> Json {
    with_plain_numbers(serde_json::from_slice(&answer.body).unwrap())
}

/// All numbers as `f64`: the two loaders differ in where they write `1` or `1.0`.
fn with_plain_numbers(json: Json) -> Json {
    match json {
        Json::Number(number) => number.as_f64().unwrap().into(),
        Json::Array(items) => items.into_iter().map(with_plain_numbers).collect(),
        Json::Object(members) => {
            let plain = members.into_iter().map(|(key, value)| (key, with_plain_numbers(value)));
            Json::Object(plain.collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn path(route: &str, query: &[(&str, &str)]) -> String {
    let query: Vec<String> = query.iter().map(|(key, value)| format!("{key}={}", quoted(value))).collect();
    format!("/data/plugin/{route}?{}", query.join("&"))
}

/// Percent-encoded.
pub fn quoted(text: &str) -> String {
    text.bytes().fold(String::new(), |mut quoted, byte| {
        if byte.is_ascii_alphanumeric() {
            quoted.push(byte.into());
        } else {
            write!(quoted, "%{byte:02X}").unwrap();
        }
        quoted
    })
}
