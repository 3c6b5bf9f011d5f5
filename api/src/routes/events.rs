//! The event stream (server-sent events), resumable by `Last-Event-ID`.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;
use starling_api_types::{ErrorCode, EventId, EventRecord, Problem, ProblemBody, SiteEvent};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use crate::body::Params;
use crate::guard::busy;
use crate::limits::EVENT_KEEP_ALIVE;
use crate::reply::ProblemReply;
use crate::service::EventStream;
use crate::state::Api;

/// The header with the id of the last event that the client saw.
pub const LAST_EVENT_ID: &str = "last-event-id";
/// Name of the event that ends a stream with an error; its data is a problem.
pub const PROBLEM_EVENT: &str = "problem";

/// Query of the event stream.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Same as `Last-Event-ID`, for clients that cannot set headers; the header has priority.
    #[param(value_type = Option<EventId>, inline)]
    after: Option<EventId>,
}

/// Streams events when they happen.
///
/// Each event has a name, such as `canonical-imported` or `mute-changed`, and an id; ignore unknown names. With
/// `Last-Event-ID` the stream starts after that event, else with the next event. An id from before a rebuild of the
/// store, or of an event that is no longer kept, gets the answer `events_expired`: read the advisories again, then
/// follow without an id. A `problem` event ends the stream.
#[utoipa::path(get, path = "/events", operation_id = "events", tag = "events",
    params(EventsQuery, ("Last-Event-ID" = inline(Option<EventId>), Header, description = "Id of the last event seen.")),
    responses((status = 200, description = "A stream of events.", content_type = "text/event-stream",
        body = SiteEvent)))]
pub(crate) async fn events(
    State(api): State<Api>,
    Params(query): Params<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, ProblemReply> {
    let place = std::sync::Arc::clone(&api.streams)
        .try_acquire_owned()
        .map_err(|_| busy())?;
    let after = match headers.get(LAST_EVENT_ID) {
        None => query.after,
        // A browser that has not seen an event yet sends no header, or an empty one.
        Some(value) if value.is_empty() => query.after,
        Some(value) => {
            let text = value.to_str().unwrap_or("?");
            Some(text.parse::<EventId>().map_err(|error| {
                Problem::new(
                    ErrorCode::BadRequest,
                    format!("reading the `Last-Event-ID` header: {error}"),
                )
            })?)
        }
    };
    let source = api.service.events(after).await?;
    let stopped = api.stop.clone().cancelled_owned();
    let events = Events {
        source: Some(source),
        _place: place,
    };
    let stream = futures::stream::unfold(events, Events::step).take_until(stopped);
    Ok(Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(EVENT_KEEP_ALIVE))
        .into_response())
}

/// An open stream and its place.
struct Events {
    /// `None` after a problem was sent.
    source: Option<EventStream>,
    _place: OwnedSemaphorePermit,
}

impl Events {
    async fn step(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        let item = self.source.as_mut()?.next().await?;
        let event = item.and_then(|record| render(&record)).unwrap_or_else(|problem| {
            self.source = None;
            render_problem(&problem)
        });
        Some((Ok(event), self))
    }
}

fn render(record: &EventRecord) -> Result<Event, Problem> {
    Event::default()
        .id(record.id.to_string())
        .event(record.event.name())
        .json_data(&record.event)
        .map_err(|error| Problem::internal("writing an event", error))
}

fn render_problem(problem: &Problem) -> Event {
    let body: &ProblemBody = problem;
    Event::default()
        .event(PROBLEM_EVENT)
        .json_data(body)
        .unwrap_or_default()
}
