//! The reference in `docs/api.md`, generated from the OpenAPI document so that both always agree.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// Path of the committed reference.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");

const HEAD: &str = "\
# The HTTP API

This page is generated from [openapi.json](openapi.json), and a test keeps it current. A running daemon serves the same document at
`/api/v1/openapi.json`.

- **Address.** The Unix socket `starling.sock` in the site's folder is always there. With `api.listen` (or `up --api`) the API is
  also on loopback TCP.
- **Access.** On the socket every call is allowed: its file mode limits who can use it. On TCP, calls marked *admin* need
  `Authorization: Bearer TOKEN` with the token in `api.token_file`. Other calls need no token.
- **Errors** are `application/problem+json` with a stable `code`. `retryable` is true if the same call may succeed later. A
  `503` answer has a `Retry-After` header. Before a call is known, a request can also get `bad_request` (400: not HTTP/1.1),
  `route_not_found` (404), `method_not_allowed` (405: `Allow` lists the methods), `uri_too_long` (414) and `headers_too_large` (431).
- **Bodies** are taken as they are: a `Content-Encoding` is refused (415), and so are a body for a call that takes none,
  and a query for a call without parameters (400). Only `GET /api/v1/health` ignores a query, because monitors add one.
  Answers have no validators and no ranges: `If-None-Match`, `If-Modified-Since` and `Range` change nothing.

```sh
curl --unix-socket \"$STARLING_HOME/starling.sock\" http://localhost/api/v1/health
curl http://127.0.0.1:7948/api/v1/health
```

";

/// Longest example shown completely, in lines.
const EXAMPLE_LINES: usize = 60;

fn reference() -> String {
    let document: Value = serde_json::from_str(starling_api::document_json()).unwrap();
    let mut by_tag: BTreeMap<&str, Vec<(&str, &str, &Value)>> = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let tag = operation["tags"][0].as_str().unwrap_or("other");
            by_tag.entry(tag).or_default().push((path, method, operation));
        }
    }
    let mut text = HEAD.to_owned();
    for tag in document["tags"].as_array().unwrap() {
        let name = tag["name"].as_str().unwrap();
        let Some(operations) = by_tag.remove(name) else {
            continue;
        };
        let about = tag["description"].as_str().unwrap_or_default();
        let _ = write!(text, "## {name}\n\n{about}\n\n");
        for (path, method, operation) in operations {
            section(&mut text, path, method, operation);
        }
    }
    assert!(
        by_tag.is_empty(),
        "tags without a description: {:?}",
        by_tag.keys()
    );
    text
}

fn section(text: &mut String, path: &str, method: &str, operation: &Value) {
    let admin = operation["security"]
        .as_array()
        .is_some_and(|needed| !needed.is_empty());
    let admin = if admin { " (admin)" } else { "" };
    let _ = write!(text, "### `{} {path}`{admin}\n\n", method.to_uppercase());
    for said in ["summary", "description"] {
        if let Some(said) = operation[said].as_str() {
            let _ = write!(text, "{said}\n\n");
        }
    }
    if let Some(parameters) = operation["parameters"].as_array() {
        text.push_str("| parameter | in | meaning |\n|---|---|---|\n");
        for parameter in parameters {
            let required = if parameter["required"] == true {
                " (required)"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "| `{}` | {} | {}{required} |",
                parameter["name"].as_str().unwrap(),
                parameter["in"].as_str().unwrap(),
                cell(parameter["description"].as_str().unwrap_or_default()),
            );
        }
        text.push('\n');
    }
    if let Some(contents) = operation["requestBody"]["content"].as_object() {
        for (kind, content) in contents {
            let _ = write!(text, "Body, `{kind}`:\n\n");
            example(text, content);
        }
    }
    text.push_str("| status | body | when |\n|---|---|---|\n");
    let responses = operation["responses"].as_object().unwrap();
    for (status, response) in responses {
        let kinds: Vec<String> = response["content"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(kind, _)| format!("`{kind}`"))
            .collect();
        let when = cell(response["description"].as_str().unwrap_or_default());
        let _ = writeln!(text, "| {status} | {} | {when} |", kinds.join(", "));
    }
    text.push('\n');
    for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('2')) {
        if let Some(content) = response["content"].get("application/json") {
            let _ = write!(text, "Answer, {status}:\n\n");
            example(text, content);
        }
    }
}

fn example(text: &mut String, content: &Value) {
    let Some(example) = content.get("example") else {
        text.push_str("bytes\n\n");
        return;
    };
    let shown = serde_json::to_string_pretty(example).unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    text.push_str("```json\n");
    for line in lines.iter().take(EXAMPLE_LINES) {
        let _ = writeln!(text, "{line}");
    }
    text.push_str("```\n\n");
    if lines.len() > EXAMPLE_LINES {
        text.push_str("(and more: openapi.json has the whole example)\n\n");
    }
}

/// Returns the text for a table cell.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

#[test]
fn committed_reference_is_current() {
    let current = reference();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(COMMITTED, &current).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == current,
        "docs/api.md differs from the code; run `UPDATE_GOLDEN=1 cargo test -p starling-api` and look at the diff"
    );
}
