//! The admin's page: it shows what `status` shows, to whoever has the token, and changes nothing.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Path as Name, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use subtle::ConstantTimeEq;

use crate::status::Board;
use crate::{files, http, key};

/// The token's file in `state_dir`.
const FILE: &str = "dashboard-token";

/// A page's scripts must be its own, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'";

/// A file of the page; the pieces that LuCI's pages are made of too are theirs.
macro_rules! ours {
    ($name:literal) => {
        ($name, include_str!(concat!("../page/", $name)))
    };
}
macro_rules! shared {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!(
                "../../openwrt-feed/luci-app-burstmesh/htdocs/luci-static/resources/burstmesh/",
                $name
            )),
        )
    };
}
const PAGE: &str = include_str!("../page/index.html");
const PARTS: [(&str, &str); 8] = [
    ours!("exit.css"),
    ours!("exit.js"),
    ours!("show.js"),
    shared!("dom.js"),
    shared!("graph.js"),
    shared!("status.js"),
    shared!("text.js"),
    shared!("units.js"),
];

/// The token that the page wants; made on first use.
///
/// # Errors
/// A file that cannot be read or made.
pub fn token(state_dir: &Path) -> Result<String> {
    let path = state_dir.join(FILE);
    files::private_dir(state_dir).with_context(|| format!("{}", state_dir.display()))?;
    let text = files::read_or_create(&path, || {
        let random = key::random()?;
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((digits + "\n").into_bytes())
    });
    let text = text.with_context(|| format!("the page's token {}", path.display()))?;
    let token = String::from_utf8_lossy(&text).trim().to_owned();
    let enough = token.len() >= 32 && token.bytes().all(|b| b.is_ascii_graphic());
    enough.then_some(token).with_context(|| {
        format!(
            "{} holds no token of at least 32 characters: remove it, and a new one is made",
            path.display()
        )
    })
}

#[derive(Clone)]
struct Shown {
    board: Arc<Board>,
    token: Arc<str>,
}

/// The page, its parts, and the status behind the token.
pub fn router(board: Arc<Board>, token: &str) -> Router {
    let shown = Shown {
        board,
        token: token.into(),
    };
    Router::new()
        .route(
            "/",
            get(|| async { typed("text/html; charset=utf-8", PAGE) }),
        )
        .route("/status", get(status))
        .route("/ledger", get(ledger))
        .route("/{part}", get(part))
        .layer(from_fn(guarded))
        .with_state(shown)
}

async fn part(Name(name): Name<String>) -> Response {
    match PARTS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) if name.ends_with(".css") => typed("text/css; charset=utf-8", text),
        Some((_, text)) => typed("text/javascript; charset=utf-8", text),
        None => (StatusCode::NOT_FOUND, "there is no such file\n").into_response(),
    }
}

async fn status(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    match refused(&shown, &headers) {
        Some(refusal) => refusal,
        None => http::json(State(shown.board)).await,
    }
}

async fn ledger(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    match refused(&shown, &headers) {
        Some(refusal) => refusal,
        None => http::ledger(&shown.board),
    }
}

/// What who has no token gets.
fn refused(shown: &Shown, headers: &HeaderMap) -> Option<Response> {
    let given = headers.get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    // In a time that does not tell how much was right.
    if given.is_some_and(|given| given.ct_eq(shown.token.as_bytes()).into()) {
        return None;
    }
    let how = [(header::WWW_AUTHENTICATE, "Bearer")];
    let said = "the token is missing or another; see: burstmesh-proxy dashboard\n";
    Some((StatusCode::UNAUTHORIZED, how, said).into_response())
}

fn typed(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
