//! The tables that diesel's query builder is used on. `bags`, `scans` and `audit_logs` are read and written
//! by set-based SQL of their features.

diesel::table! {
    dispatch_areas (id) {
        id -> Integer,
        code -> Text,
        name -> Text,
        is_active -> Bool,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use crate::identity::UserRoleSql;

    users (id) {
        id -> BigInt,
        username -> Text,
        email -> Nullable<Text>,
        password_hash -> Text,
        role -> UserRoleSql,
        dispatch_area_id -> Nullable<Integer>,
        is_active -> Bool,
        password_change_required -> Bool,
        two_factor_enabled -> Bool,
        locked_until -> Nullable<Timestamptz>,
        last_login_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        version -> BigInt,
        anonymised_at -> Nullable<Timestamptz>,
        language -> Text,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        user_id -> BigInt,
        token_hash -> Binary,
        previous_token_hash -> Nullable<Binary>,
        rotation_salt -> Nullable<Binary>,
        rotated_at -> Nullable<Timestamptz>,
        user_agent -> Nullable<Text>,
        ip -> Nullable<Text>,
        created_at -> Timestamptz,
        last_used_at -> Timestamptz,
        idle_expires_at -> Timestamptz,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        revoked_reason -> Nullable<Text>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        algorithm -> Text,
        secret -> Binary,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        name -> Text,
        prefix -> Text,
        secret_hash -> Binary,
        scopes -> Array<Text>,
        user_id -> BigInt,
        requests_per_minute -> Nullable<Integer>,
        created_by -> Nullable<BigInt>,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    password_resets (token_hash) {
        token_hash -> Binary,
        user_id -> BigInt,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    recovery_codes (user_id, code_hash) {
        user_id -> BigInt,
        code_hash -> Binary,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    data_keys (id) {
        id -> SmallInt,
        secret -> Binary,
        created_at -> Timestamptz,
    }
}

diesel::joinable!(users -> dispatch_areas (dispatch_area_id));
diesel::joinable!(sessions -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(dispatch_areas, users, sessions);
diesel::joinable!(api_keys -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(api_keys, users);
diesel::allow_tables_to_appear_in_same_query!(api_keys, dispatch_areas);
diesel::joinable!(password_resets -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(password_resets, users);
