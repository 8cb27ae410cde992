//! `roomkey dev`: everything on, for this machine only.
//!
//! The same pipeline as `serve`; only the keys are well known and the app's
//! secret is new in each run. No request goes unauthenticated.

use std::net::SocketAddr;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::{Failure, block_on, serve};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::random::base64url256;
use crate::telemetry;

/// A day, so that a morning's curl lines last.
const TOKEN_SECONDS: i64 = 86_400;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// A loopback address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7890")]
    listen: SocketAddr,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.listen.ip().is_loopback() {
        let address = arguments.listen;
        return Err(Failure::Because(format!(
            "--listen {address}: `roomkey dev` has well-known keys and listens on loopback only, such as 127.0.0.1:7890; use `roomkey serve` for others"
        )));
    }
    let secret = base64url256().map_err(|error| Failure::Because(error.to_string()))?;
    let config = Config::development(&settings(arguments.listen, &secret))?;
    telemetry::init(config.log);
    block_on(async {
        let listener = serve::bind("--listen", arguments.listen)?;
        let address = listener.local_addr().map_err(|error| Failure::Because(error.to_string()))?;
        introduce(address, &secret)?;
        serve::until_stopped(config, None, listener, None).await
    })
}

fn settings(listen: SocketAddr, secret: &str) -> String {
    format!(
        r#"
[server]
listen = "{listen}"
shutdown_grace = "1s"
[livekit]
url = "ws://127.0.0.1:7880"
api_key = "devkey"
api_secret = "secret"
[liveblocks]
secret_key = "sk_localdev"
base_url = "http://127.0.0.1:1153"
[livekit.client_may_set]
device = true
name = true
metadata = true
attributes = ["*"]
agents = ["*"]
[[authenticate]]
kind = "jwt"
secret = "{secret}"
[[authorize]]
kind = "rules"
[[authorize.rules]]
name = "dev-host"
room = "**"
claims = {{ role = "host" }}
role = "host"
[[authorize.rules]]
name = "dev-viewer"
room = "**"
claims = {{ role = "viewer" }}
role = "viewer"
[[authorize.rules]]
name = "dev-personal"
no_room = true
role = "viewer"
liveblocks_rooms = ["*"]
"#
    )
}

/// Users to ask as, and lines to paste.
fn introduce(address: SocketAddr, secret: &str) -> Result<(), Failure> {
    let token = |id: &str, name: &str, role: &str| {
        let exp = SystemClock.now().saturating_add(TOKEN_SECONDS);
        let claims = json!({"sub": id, "name": name, "role": role, "exp": exp});
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes()))
            .map_err(|error| Failure::Because(error.to_string()))
    };
    let (alice, bob) = (token("alice", "Alice", "host")?, token("bob", "Bob", "viewer")?);
    say!("# Roomkey for development on http://{address}; stop it with Ctrl-C");
    say!("# LiveKit: ws://127.0.0.1:7880, devkey/secret, as `livekit-server --dev` has them");
    say!("# Liveblocks: http://127.0.0.1:1153, sk_localdev, as `npx liveblocks dev` has them");
    say!("ALICE={alice}");
    say!("BOB={bob}");
    for token in [&alice, &bob] {
        say!(
            "curl -sS http://{address}/api/liveblocks-auth -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{{\"room\":\"standup\"}}'"
        );
        say!(
            "curl -sS http://{address}/livekit/token -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{{\"room_name\":\"standup\"}}'"
        );
    }
    Ok(())
}
