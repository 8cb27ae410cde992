//! An authorizer of one's own: a room is open in office hours, to everyone whom
//! Roomkey knows. What it passes on, the configured rules decide.
//!
//! ```sh
//! cargo run --example custom_authorizer -- config/roomkey.toml 127.0.0.1:7890
//! ```

use std::error::Error;

use async_trait::async_trait;
use roomkey::ask::{Action, Ask, Context};
use roomkey::authenticate::Caller;
use roomkey::authorize::{Allowance, Authorizer, Denial, Unavailable, Verdict};
use roomkey::clock::{Clock as _, SystemClock};
use roomkey::serve::signals;
use roomkey::{Config, Purpose, Roomkey, Sources};
use tokio::net::TcpListener;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Decides on `office:…` by the hour, in UTC.
#[derive(Debug)]
struct OfficeHours;

#[async_trait]
impl Authorizer for OfficeHours {
    fn name(&self) -> &'static str {
        "office_hours"
    }

    async fn decide(&self, _: &Caller, ask: &Ask, _: &Context) -> Result<Verdict, Unavailable> {
        let room = ask.resource.room().filter(|room| room.as_str().starts_with("office:"));
        if ask.action != Action::LiveKitJoin || room.is_none() {
            return Ok(Verdict::Pass);
        }
        let hour = SystemClock.now().rem_euclid(SECONDS_PER_DAY) / 3600;
        Ok(if (8..18).contains(&hour) {
            Verdict::Allow(Allowance::role("participant", "open"))
        } else {
            Verdict::Deny(Denial { rule: "closed".into(), reason: Some("come back at 8 o'clock UTC".to_owned()) })
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| "config/roomkey.toml".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7890".to_owned());
    let sources = Sources { files: vec![file.into()], ..Sources::default() };
    let config = Config::load(&sources, Purpose::Serve).map_err(|problems| problems[0].to_string())?;
    let roomkey = Roomkey::builder(config).authorizer(OfficeHours).build()?;
    roomkey.serve(TcpListener::bind(address).await?, None, signals()?).await;
    Ok(())
}
