//! Who calls, in terms that every part shares: users, roles, the caller of a request and the client
//! that it came from. Knows no token and no table.

pub mod caller;
pub mod client;

pub use caller::{Admin, Biller, Caller, RequireRole};

use crate::{id_type, pg_enum};

id_type! {
    /// Id of a user.
    UserId
}

pg_enum! {
    /// What a person may do. Each role may do everything that those before it may.
    Role as UserRoleSql = "user_role" {
        /// Packs bags of one dispatch area.
        Dispatcher = "dispatcher",
        /// Puts parent bags on bills, in all areas.
        Biller = "biller",
        /// Everything.
        Admin = "admin",
    }
}
