//! Time: whatever the clock says, tokens and logins are judged by it alone.

use serde_json::json;

use crate::support::{NOW, all_as, ask, login, router};

const DAY: i64 = 86_400;
/// The default of `livekit.ttl`.
const TTL: i64 = 600;
/// The default of an authenticator's `leeway`.
const LEEWAY: i64 = 60;
/// 2106-02-07T06:28:16Z, one more than 32 bits hold.
const YEAR_2106: i64 = 1 << 32;

const TIMES: [i64; 12] =
    [0, -1, 1, -TTL, NOW, NOW - DAY, NOW + DAY, YEAR_2106, i64::MAX, i64::MAX - 1, i64::MIN, i64::MIN + 1];

#[test]
fn a_token_begins_now_and_ends_after_its_ttl_or_with_time_itself() {
    for now in TIMES {
        for (ttl, seconds) in [("2m", 120), ("24h", DAY)] {
            let mut config = all_as("viewer");
            config["livekit"]["ttl"] = json!(ttl);
            // At the end of time a login is over too, whenever it ends.
            config["authenticate"] = json!([{"kind": "guest"}]);
            let request = crate::support::request(&[], json!({"room": "standup"}).to_string());
            let claims = crate::support::send(&router(&config, now), request).claims();
            assert_eq!(claims["nbf"], json!(now), "{now}");
            assert_eq!(claims["exp"], json!(now.saturating_add(seconds)), "{now}");
        }
    }
}

#[test]
fn a_login_is_good_from_nbf_to_exp_and_a_leeway_around_them() {
    for now in TIMES {
        let router = router(&all_as("viewer"), now);
        let status = |claims: serde_json::Value| {
            let mut claims = claims;
            claims["sub"] = json!("alice");
            ask(&router, &login(&claims), &json!({"room_name": "standup"})).status.as_u16()
        };
        let time = |offset: i64| now.checked_add(offset);
        for (exp, wanted) in
            [(1, 201), (0, 201), (1 - LEEWAY, 201), (-LEEWAY, 401), (-LEEWAY - 1, 401), (-DAY, 401), (DAY, 201)]
        {
            // Where the sum would not be a time, there is nothing to ask.
            if let Some(exp) = time(exp).filter(|exp| exp.checked_add(LEEWAY).is_some()) {
                assert_eq!(status(json!({"exp": exp})), wanted, "now {now}, exp {exp}");
            }
        }
        let Some(exp) = time(DAY) else { continue };
        for (early, wanted) in [(0, 201), (LEEWAY, 201), (LEEWAY + 1, 401), (DAY, 401), (-DAY, 201)] {
            let Some(time) = time(early) else { continue };
            for name in ["nbf", "iat"] {
                assert_eq!(status(json!({"exp": exp, name: time})), wanted, "now {now}, {name} {time}");
            }
        }
    }
}

#[test]
fn a_login_without_an_end_or_with_an_odd_one_is_refused() {
    let router = router(&all_as("viewer"), NOW);
    for (exp, wanted) in [
        (json!(null), 401),
        (json!((NOW + DAY).to_string()), 401),
        (json!([NOW + DAY]), 401),
        (json!(true), 401),
        (json!(1e300), 201),
        (json!(-1e300), 401),
        (json!(1_767_225_600.5), 201),
        (json!(u64::MAX), 201),
        (json!(i64::MIN), 401),
    ] {
        let answer = ask(&router, &login(&json!({"sub": "alice", "exp": exp})), &json!({"room_name": "standup"}));
        assert_eq!(answer.status.as_u16(), wanted, "{exp}");
    }
    let endless = crate::support::jwt(&json!({"alg": "HS256"}), &json!({"sub": "alice"}), crate::support::APP_SECRET);
    assert_eq!(ask(&router, &endless, &json!({"room_name": "standup"})).status, 401);
}

#[test]
fn a_day_later_yesterdays_login_is_over_and_tomorrows_has_not_begun() {
    let bearer = login(&json!({"sub": "alice", "nbf": NOW, "exp": NOW + TTL}));
    for (now, wanted) in [(NOW, 201), (NOW + DAY, 401), (NOW - DAY, 401), (YEAR_2106, 401), (0, 401)] {
        assert_eq!(
            ask(&router(&all_as("viewer"), now), &bearer, &json!({"room_name": "standup"})).status.as_u16(),
            wanted
        );
    }
}
