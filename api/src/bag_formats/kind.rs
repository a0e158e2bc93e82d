//! Parent and child.

use crate::pg_enum;

pg_enum! {
    /// A parent bag holds child bags.
    BagKind as BagKindSql = "bag_kind" {
        Parent = "parent",
        Child = "child",
    }
}
