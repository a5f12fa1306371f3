//! What is served over HTTP: `/metrics` for Prometheus and `/status` as JSON here, the admin's page in `dashboard`. Each address has
//! a thread of its own.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::metrics;
use crate::status::{Board, Status};

/// Binds the address of the option `what`, so that a taken one is an error at the start, and serves it until the process ends.
///
/// # Errors
/// The address cannot be bound, or there is no thread to be had.
pub fn start(what: &'static str, address: SocketAddr, router: Router) -> Result<SocketAddr> {
    let listener = TcpListener::bind(address).with_context(|| format!("{what} = \"{address}\""))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    // One thread that may wait for the store and for `nft`: it never shares one with packets.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    thread::Builder::new().name("http".into()).spawn(move || {
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, router).await
        });
        if let Err(error) = served {
            tracing::error!("{what}: not served any more: {error}");
        }
    })?;
    tracing::info!(address = %bound, "{what}: served");
    Ok(bound)
}

/// Metrics and status for programs on this machine.
pub fn router(board: Arc<Board>) -> Router {
    Router::new()
        .route("/metrics", get(prometheus))
        .route("/status", get(json))
        .with_state(board)
}

async fn prometheus(State(board): State<Arc<Board>>) -> Response {
    let text = snapshot(&board).and_then(|status| metrics::render(&status));
    match text {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// The whole picture.
pub async fn json(State(board): State<Arc<Board>>) -> Response {
    match snapshot(&board) {
        Ok(status) => Json(status).into_response(),
        Err(error) => failed(&error),
    }
}

/// What members used, by day.
pub fn ledger(board: &Board) -> Response {
    match board.ledger() {
        Ok(entries) => Json(entries).into_response(),
        Err(error) => failed(&error.into()),
    }
}

fn snapshot(board: &Board) -> Result<Status> {
    Ok(board.snapshot()?)
}

fn failed(error: &anyhow::Error) -> Response {
    tracing::error!("{error:#}");
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "the exit cannot say; see its log\n",
    )
        .into_response()
}
