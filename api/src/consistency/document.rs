//! `X-Consistency-Token` in the OpenAPI document: describes in one place what applies to all
//! operations.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};

const HEADER: &str = "X-Consistency-Token";
/// Name of the parameter and of the header in the components.
const COMPONENT: &str = "ConsistencyToken";
/// The format that `db::lsn` parses.
const PATTERN: &str = "^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$";

/// Adds the header to every read that accepts it and every write that returns it.
pub fn describe(document: &mut OpenApi) {
    let token = || Some(ObjectBuilder::new().schema_type(Type::String).pattern(Some(PATTERN)));
    let taken = ParameterBuilder::new()
        .name(HEADER)
        .parameter_in(ParameterIn::Header)
        .description(Some("The token from the response to a write, by any client. The read includes that write."))
        .schema(token())
        .example(Some("16/B374D848".into()))
        .build();
    let given = HeaderBuilder::new()
        .schema(token())
        .description(Some("Present if replicas serve reads. A read that sends this token includes this write, also from another client."))
        .build();
    let components = document.components.get_or_insert_default();
    components.parameters.insert(COMPONENT.into(), RefOr::T(taken));
    components.headers.insert(COMPONENT.into(), RefOr::T(given));

    let paths = document.paths.paths.iter_mut().filter(|(path, _)| path.starts_with("/api/v1/") && !path.starts_with("/api/v1/auth/"));
    for (_, item) in paths {
        if let Some(read) = &mut item.get {
            takes_token(read);
        }
        for write in [&mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten() {
            gives_token(write);
        }
    }
}

fn takes_token(read: &mut Operation) {
    let parameter = RefOr::Ref(Ref::new(format!("#/components/parameters/{COMPONENT}")));
    read.parameters.get_or_insert_default().push(parameter);
    read.responses.responses.entry("400".into()).or_insert_with(|| {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        ResponseBuilder::new().description("`invalid_consistency_token`").content("application/problem+json", content).build().into()
    });
}

fn gives_token(write: &mut Operation) {
    for (status, response) in &mut write.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with('2')
        {
            let header = RefOr::Ref(Ref::new(format!("#/components/headers/{COMPONENT}")));
            response.headers.insert(HEADER.into(), header);
        }
    }
}
