//! Every documented route, and the rate limits of this process.

use actix_governor::Governor;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::config::Config;
use crate::http::problem_page::get_problem;
use crate::http::rate_limit::{ByAddress, Limiter, limiter};
use crate::identity::caller::ByCaller;
use crate::{
    account, api_keys, audit, bag_formats, bags, bills, dispatch_areas, events, exports, health, imports, notifications, promotion_requests, reports,
    scans, search, stats, system, users,
};

/// Right passwords don't count as failures ([`crate::access::attempts`]), but each takes time to check: so many times the limit of
/// failures are taken from one address in a minute, which is a shift of hundreds.
const SIGN_INS_PER_FAILURE: u32 = 60;

/// Rate limits of this process, shared by all its workers.
#[derive(Clone)]
pub struct Limits {
    sign_in: Limiter<ByAddress>,
    requests: Limiter<ByCaller>,
    scans: Limiter<ByCaller>,
}

impl Limits {
    /// The limits of the settings.
    pub fn new(config: &Config) -> Self {
        Self {
            sign_in: limiter(ByAddress, config.sign_in_limit_per_minute.saturating_mul(SIGN_INS_PER_FAILURE)),
            requests: limiter(ByCaller, config.request_limit_per_minute),
            scans: limiter(ByCaller, config.scan_limit_per_minute),
        }
    }
}

/// Every documented route. The scopes with limits of their own come first: actix takes the first that matches.
pub fn routes(limits: &Limits) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let (sign_in, scan_limit, requests) = (Governor::new(&limits.sign_in), Governor::new(&limits.scans), Governor::new(&limits.requests));
    move |cfg| {
        cfg.configure(health::routes)
            .service(get_problem)
            .service(account::jwks::get_jwks)
            .service(scope::scope("/api/v1/auth/login").wrap(sign_in).configure(account::routes::login_routes))
            .service(scope::scope("/api/v1/scans").wrap(scan_limit).configure(scans::routes::routes))
            .service(
                scope::scope("/api/v1")
                    .wrap(requests)
                    // What is asked for most comes first: actix tries one pattern after the other.
                    .configure(bags::routes::routes)
                    .configure(stats::routes::routes)
                    .configure(stats::breakdown_routes::routes)
                    .configure(search::routes)
                    .configure(account::routes::routes)
                    .configure(users::routes::routes)
                    .configure(users::edit_routes::routes)
                    .configure(users::personal_data::routes)
                    .configure(dispatch_areas::routes)
                    .configure(bag_formats::routes::routes)
                    .configure(bags::edit_routes::routes)
                    .configure(bills::routes::routes)
                    .configure(notifications::routes::routes)
                    .configure(promotion_requests::routes::routes)
                    .configure(audit::routes::routes)
                    .configure(events::routes::routes)
                    .configure(system::routes::routes)
                    .configure(reports::routes::routes)
                    .configure(api_keys::routes::routes)
                    .configure(exports::routes::routes)
                    .configure(imports::routes::routes),
            );
    }
}
