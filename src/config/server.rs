//! `[server]`, `[admin]`, `[log]` and `[cors]`.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use ipnet::IpNet;

use super::section::Section;
use crate::authenticate::Origins;

/// `[server]`.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    pub(crate) request_timeout: Duration,
    pub(crate) header_read_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_body: usize,
    pub(crate) max_connections: usize,
    pub(crate) shutdown_delay: Duration,
    pub(crate) shutdown_grace: Duration,
    pub(crate) trusted_proxies: Vec<IpNet>,
}

/// `[log]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    pub(crate) level: tracing::level_filters::LevelFilter,
    pub(crate) format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Json,
    Text,
}

/// `[cors]`.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    pub(crate) origins: Origins,
    pub(crate) allow_credentials: bool,
    /// All of them, the fixed ones included.
    pub(crate) allowed_headers: Vec<HeaderName>,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Headers that any of our clients may send.
const FIXED_HEADERS: [&str; 5] = ["authorization", "content-type", "x-request-id", "traceparent", "baggage"];

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an address and a port such as \"127.0.0.1:7890\" or \"[::]:7890\"")
}

/// `server.listen`, with `port` instead of its own.
pub(super) fn listen(section: &mut Section<'_>, port: Option<u16>) -> Option<SocketAddr> {
    let address = section.parsed("listen", address)?;
    Some(SocketAddr::new(address.ip(), port.unwrap_or_else(|| address.port())))
}

pub(super) fn server(section: Option<Section<'_>>, port: Option<u16>) -> Option<Server> {
    let mut section = section?;
    let listen = listen(&mut section, port);
    let request_timeout = section.duration("request_timeout", Duration::from_millis(100)..=MINUTE);
    let header_read_timeout = section.duration("header_read_timeout", Duration::from_millis(100)..=MINUTE);
    let idle_timeout = section.duration("idle_timeout", SECOND..=HOUR);
    let max_body = section.size("max_body", 1024..=1024 * 1024);
    let max_connections = section.count("max_connections", 1..=1_000_000);
    let shutdown_delay = section.duration("shutdown_delay", Duration::ZERO..=5 * MINUTE);
    let shutdown_grace = section.duration("shutdown_grace", Duration::ZERO..=5 * MINUTE);
    let proxies = section.texts("trusted_proxies").unwrap_or_default();
    let trusted_proxies = proxies.iter().filter_map(|text| network(&section, "trusted_proxies", text)).collect();
    section.finish();
    Some(Server {
        listen: listen?,
        request_timeout: request_timeout?,
        header_read_timeout: header_read_timeout?,
        idle_timeout: idle_timeout?,
        max_body: max_body?,
        max_connections: usize::try_from(max_connections?).ok()?,
        shutdown_delay: shutdown_delay?,
        shutdown_grace: shutdown_grace?,
        trusted_proxies,
    })
}

/// A range of addresses, or one; never all.
pub(super) fn network(section: &Section<'_>, key: &str, text: &str) -> Option<IpNet> {
    let address = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    let range = text.parse::<IpNet>().ok().or_else(address);
    match range {
        Some(range) if range.prefix_len() > 0 => return Some(range),
        Some(_) => section.fail(
            key,
            format!("{text:?} believes a header from anyone; name the proxies' own addresses, such as \"10.0.0.0/8\""),
        ),
        None => section.fail(key, format!("{text:?} is no CIDR such as \"10.0.0.0/8\"")),
    }
    None
}

pub(super) fn admin(section: Option<Section<'_>>) -> Option<SocketAddr> {
    let mut section = section?;
    let listen = section.parsed("listen", address);
    section.finish();
    listen
}

pub(super) fn log(section: Option<Section<'_>>) -> Option<Log> {
    use tracing::level_filters::LevelFilter;
    let mut section = section?;
    let levels = [
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    let level = section.choice("level", &levels);
    let format = section.choice("format", &[("json", LogFormat::Json), ("text", LogFormat::Text)]);
    section.finish();
    Some(Log { level: level?, format })
}

pub(super) fn cors(section: Option<Section<'_>>, dev: bool) -> Option<Cors> {
    let mut section = section?;
    let allow_credentials = section.flag("allow_credentials");
    let texts = section.texts("allowed_origins").unwrap_or_default();
    let mut listed = Vec::new();
    for text in &texts {
        match origin(text, allow_credentials == Some(true)) {
            Ok(origin) => listed.push(origin),
            Err(why) => section.fail("allowed_origins", format!("{text:?} {why}")),
        }
    }
    let mut allowed_headers: Vec<_> = FIXED_HEADERS.into_iter().map(HeaderName::from_static).collect();
    for text in section.texts("allowed_headers").unwrap_or_default() {
        match text.parse() {
            Ok(name) => allowed_headers.push(name),
            Err(_) => section.fail("allowed_headers", format!("{text:?} is no header's name")),
        }
    }
    section.finish();
    let origins = if dev { Origins::Loopback } else { Origins::Listed(listed) };
    Some(Cors { origins, allow_credentials: allow_credentials?, allowed_headers })
}

/// An origin as browsers send it (RFC 6454 section 6.2): scheme and authority
/// in lower case, no default port, nothing after; or `*`.
fn origin(text: &str, with_credentials: bool) -> Result<HeaderValue, &'static str> {
    const FORM: &str = "is no origin; write one as browsers send it, such as \"https://app.example.com\"";
    if text == "*" {
        return if with_credentials {
            Err("cannot stand beside `allow_credentials`: every page could act for your users; list your origins")
        } else {
            Ok(HeaderValue::from_static("*"))
        };
    }
    let (scheme, authority) = text.split_once("://").ok_or(FORM)?;
    let is_default_port = match scheme {
        "http" => authority.ends_with(":80"),
        "https" => authority.ends_with(":443"),
        _ => false,
    };
    let plain = !authority.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())
        && !authority.contains(['/', '?', '#', '@', '*']);
    if !plain || is_default_port || scheme.is_empty() {
        return Err(FORM);
    }
    HeaderValue::from_str(text).map_err(|_| FORM)
}
