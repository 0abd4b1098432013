//! Which calls are sent, and what becomes of their failures.

use crate::moto::options;
use haumana_api::directory::{DirectoryErrorKind, Profile, UserDirectory};
use haumana_directory_cognito::CognitoDirectory;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the pool says of Kai.
const USER: &str = r#"{"Username":"google_1","UserAttributes":[{"Name":"sub","Value":"x"},
    {"Name":"email","Value":"kai@example.org"},{"Name":"email_verified","Value":"true"},
    {"Name":"name","Value":"Kai"}]}"#;

/// What was asked of the script: the call's name and its body.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A service that answers with these statuses and codes, one after the other; an empty code is a
/// success, and `USER` one that tells of Kai.
fn scripted(script: &'static [(u16, &'static str)]) -> (CognitoDirectory, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let heard = asked.clone();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for (status, code) in script {
            let (stream, _) = listener.accept().unwrap();
            answer(stream, *status, code, &heard);
        }
    });
    (CognitoDirectory::new(options(&url, "us-west-2_x")), asked)
}

fn answer(mut stream: TcpStream, status: u16, code: &str, heard: &Asked) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let value = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().to_owned()
    };
    let mut body = vec![0; value("content-length:").parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    let call = value("x-amz-target:").replace("awscognitoidentityproviderservice.", "");
    heard.lock().unwrap().push((call, String::from_utf8(body).unwrap()));
    let quoted = r#""message":"the user kai@example.org is odd""#;
    let body = match code {
        "" => "{}".to_owned(),
        "USER" => USER.to_owned(),
        code => format!(r#"{{"__type":"{code}",{quoted}}}"#),
    };
    let length = body.len();
    let head = "content-type: application/x-amz-json-1.1\r\nconnection: close";
    write!(stream, "HTTP/1.1 {status} X\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}")
        .unwrap();
}

fn kai() -> Profile {
    Profile { email: "kai@example.org".into(), name: Some("Kai".into()), picture: None }
}

fn calls(asked: &Asked) -> Vec<String> {
    asked.lock().unwrap().iter().map(|(call, _)| call.clone()).collect()
}

#[tokio::test]
async fn who_has_signed_in_before_and_changed_nothing_costs_one_call_that_writes_nothing() {
    let (directory, asked) = scripted(&[(200, "USER")]);

    directory.put("google_1", &kai()).await.unwrap();

    assert_eq!(["admingetuser"], calls(&asked)[..]);
}

#[tokio::test]
async fn what_has_changed_is_written() {
    let changes = [
        Profile { email: "other@example.org".into(), ..kai() },
        Profile { name: Some("Uka".into()), ..kai() },
        Profile { picture: Some("https://example.org/kai.png".into()), ..kai() },
    ];
    for changed in changes {
        let (directory, asked) = scripted(&[(200, "USER"), (200, "")]);

        directory.put("google_1", &changed).await.unwrap();

        assert_eq!(["admingetuser", "adminupdateuserattributes"], calls(&asked)[..]);
    }
}

#[tokio::test]
async fn what_the_profile_does_not_say_is_no_change() {
    let (directory, asked) = scripted(&[(200, "USER")]);

    directory.put("google_1", &Profile { name: None, ..kai() }).await.unwrap();

    assert_eq!(["admingetuser"], calls(&asked)[..]);
}

#[tokio::test]
async fn a_first_sign_in_costs_two_and_sends_nobody_a_message() {
    let (directory, asked) = scripted(&[(400, "UserNotFoundException"), (200, "")]);

    directory.put("google_1", &kai()).await.unwrap();

    assert_eq!(["admingetuser", "admincreateuser"], calls(&asked)[..]);
    let body = asked.lock().unwrap()[1].1.clone();
    assert!(body.contains(r#""MessageAction":"SUPPRESS""#), "{body}");
    assert!(!body.contains("Password") && !body.contains("picture"), "{body}");
}

#[tokio::test]
async fn who_is_made_in_between_is_looked_at_again() {
    let script = &[(400, "UserNotFoundException"), (400, "UsernameExistsException"), (200, "USER")];
    let (directory, asked) = scripted(script);

    directory.put("google_1", &kai()).await.unwrap();

    assert_eq!("admingetuser", calls(&asked)[2]);
}

#[tokio::test]
async fn a_user_that_comes_and_goes_all_the_time_is_given_up() {
    let script = &[
        (400, "UserNotFoundException"),
        (400, "UsernameExistsException"),
        (400, "UserNotFoundException"),
        (400, "UsernameExistsException"),
        (400, "UserNotFoundException"),
        (400, "UsernameExistsException"),
    ];
    let (directory, _) = scripted(script);

    let error = directory.put("google_1", &kai()).await.unwrap_err();

    assert_eq!(DirectoryErrorKind::Unavailable, error.kind());
}

#[tokio::test]
async fn a_throttled_call_is_repeated() {
    let (directory, asked) = scripted(&[(400, "TooManyRequestsException"), (200, "")]);

    directory.remove("google_1").await.unwrap();

    assert_eq!(["admindeleteuser", "admindeleteuser"], calls(&asked)[..]);
}

#[tokio::test]
async fn what_passes_is_unavailable_and_what_does_not_is_refused() {
    for (script, kind) in [
        (&[(500, "InternalErrorException"); 3][..], DirectoryErrorKind::Unavailable),
        (&[(400, "TooManyRequestsException"); 3][..], DirectoryErrorKind::Unavailable),
        (&[(400, "NotAuthorizedException")][..], DirectoryErrorKind::Refused),
        (&[(400, "InvalidParameterException")][..], DirectoryErrorKind::Refused),
        (&[(400, "ResourceNotFoundException")][..], DirectoryErrorKind::Refused),
        (&[(400, "AliasExistsException")][..], DirectoryErrorKind::Refused),
    ] {
        let (directory, _) = scripted(script);

        let error = directory.put("google_1", &kai()).await.unwrap_err();

        assert_eq!(kind, error.kind(), "{script:?}");
        let said = format!("{error} {:?}", error);
        assert!(said.contains(script[0].1), "the code is told: {said}");
        assert!(!said.contains("example.org"), "and nothing that was quoted: {said}");
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable() {
    let mut options = options("http://127.0.0.1:1", "us-west-2_x");
    options.timeout = Duration::from_secs(5);
    let directory = CognitoDirectory::new(options);

    let error = directory.remove("google_1").await.unwrap_err();

    assert_eq!(DirectoryErrorKind::Unavailable, error.kind());
}
