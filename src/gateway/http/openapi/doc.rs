//! What is told about one route: an operation of the document with the schemas that it names.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Ref, RefOr, Required};
use utoipa::{PartialSchema, ToSchema};

use crate::error::ErrorCode;
use crate::gateway::auth::Role;
use crate::gateway::http::problem::{Document, PROBLEM_JSON};

/// Name of the security scheme.
pub const BEARER: &str = "bearer";
/// What the ids of drones and fleets look like.
pub const ID_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$";
/// Extension that names the roles which may call; clients and tests read it.
pub const ROLES: &str = "x-roles";

const JSON: &str = "application/json";

/// What is told about every body. Not a parameter: whoever sets it has to compress as well.
pub const COMPRESSED: &str =
    "May be compressed; then the header `content-encoding` is `gzip` or `zstd`.";

/// Everybody who reads a fleet.
pub const READERS: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin];
/// Those, and the drone itself.
pub const READERS_AND_DRONE: &[Role] = &[Role::Viewer, Role::Operator, Role::Admin, Role::Drone];
/// Who commands drones.
pub const COMMANDERS: &[Role] = &[Role::Operator];
/// Who changes the registry.
pub const ADMIN: &[Role] = &[Role::Admin];
/// Who sends samples.
pub const SENDERS: &[Role] = &[Role::Relay, Role::Drone];

/// Named schemas.
pub type Schemas = Vec<(String, RefOr<Schema>)>;

/// What is told about one route.
pub struct Doc {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    about: String,
    roles: &'static [Role],
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    answers: Vec<(u16, Response)>,
    refusals: Vec<ErrorCode>,
    schemas: Schemas,
}

impl Doc {
    /// A call that anybody may make.
    pub fn open(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            about: String::new(),
            roles: &[],
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            refusals: Vec::new(),
            schemas: Vec::new(),
        }
    }

    /// A call that needs a token of one of these roles.
    pub fn new(
        id: &'static str,
        tag: &'static str,
        summary: &'static str,
        roles: &'static [Role],
    ) -> Self {
        let doc = Self {
            roles,
            ..Self::open(id, tag, summary)
        };
        doc.refuses(&[
            ErrorCode::Unauthenticated,
            ErrorCode::Forbidden,
            ErrorCode::Overloaded,
            ErrorCode::Unavailable,
        ])
    }

    /// More than the summary says.
    pub fn about(mut self, about: &str) -> Self {
        about.clone_into(&mut self.about);
        self
    }

    /// The id of a drone or fleet in the path.
    pub fn id(self, name: &str, of: &str, example: &str) -> Self {
        self.segment(name, of, id_schema(), example)
    }

    /// A part of the path.
    pub fn segment(mut self, name: &str, of: &str, schema: RefOr<Schema>, example: &str) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(of))
            .schema(Some(schema))
            .example(Some(example.into()));
        self.parameters.push(parameter.build());
        self.refuses(&[
            ErrorCode::Malformed,
            ErrorCode::Invalid,
            ErrorCode::NotFound,
        ])
    }

    /// A parameter behind the question mark.
    pub fn query(
        mut self,
        name: &str,
        about: &str,
        schema: impl Into<RefOr<Schema>>,
        example: Option<Value>,
    ) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(schema))
            .example(example);
        self.parameters.push(parameter.build());
        self.refuses(&[ErrorCode::Invalid])
    }

    /// A header that may be there.
    pub fn header(mut self, name: &str, about: &str, example: &str) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(about))
            .schema(Some(text()))
            .example(Some(example.into()));
        self.parameters.push(parameter.build());
        self.refuses(&[ErrorCode::Invalid])
    }

    /// A parameter behind the question mark that must be there.
    pub fn needed(self, name: &str, about: &str, schema: RefOr<Schema>, example: Value) -> Self {
        let mut doc = self.query(name, about, schema, Some(example));
        if let Some(parameter) = doc.parameters.last_mut() {
            parameter.required = Required::True;
        }
        doc
    }

    /// The parameters of a list that is read page by page.
    pub fn pages(self, of: &str) -> Self {
        let after =
            format!("The last id of the page before, the answer's `next_after`: of a {of}.");
        self.query("after", &after, id_schema(), None).limit()
    }

    /// How long a page may be.
    pub fn limit(self) -> Self {
        let about = "Entries of a page; 100 unless set. The most is the setting \
                     `gateway.http.page_max`.";
        self.query("limit", about, whole(1, 1000), Some(3.into()))
    }

    /// A JSON body.
    pub fn body<T: ToSchema>(mut self, example: &Value) -> Self {
        let schema = self.schema::<T>();
        let content = ContentBuilder::new()
            .schema(Some(schema))
            .example(Some(example.clone()));
        let body = RequestBodyBuilder::new()
            .description(Some(COMPRESSED))
            .content(JSON, content.build())
            .required(Some(Required::True));
        self.body = Some(body.build());
        self.refuses(&[
            ErrorCode::Malformed,
            ErrorCode::Invalid,
            ErrorCode::TooLarge,
            ErrorCode::TooSlow,
            ErrorCode::UnsupportedMedia,
        ])
    }

    /// A body that has more than one form.
    pub fn bodies(mut self, body: RequestBody) -> Self {
        self.body = Some(body);
        self.refuses(&[
            ErrorCode::Malformed,
            ErrorCode::Invalid,
            ErrorCode::TooLarge,
            ErrorCode::TooSlow,
            ErrorCode::UnsupportedMedia,
        ])
    }

    /// An answer in JSON.
    pub fn answer<T: ToSchema>(mut self, status: u16, about: &str) -> Self {
        let schema = self.schema::<T>();
        self.answer_as(status, about, &[(JSON, Some(schema))])
    }

    /// An answer in one of several media types; what is not JSON has no schema.
    pub fn answer_as(
        mut self,
        status: u16,
        about: &str,
        forms: &[(&str, Option<RefOr<Schema>>)],
    ) -> Self {
        let response = forms.iter().fold(
            ResponseBuilder::new().description(about),
            |response, (media, schema)| {
                let content = ContentBuilder::new().schema(schema.clone());
                response.content(*media, content.build())
            },
        );
        self.answers.push((status, response.build()));
        self
    }

    /// Problems beside those of every call.
    pub fn refuses(mut self, codes: &[ErrorCode]) -> Self {
        for code in codes {
            if !self.refusals.contains(code) {
                self.refusals.push(*code);
            }
        }
        self
    }

    /// Takes a schema and what it names among the named ones, and refers to it.
    pub fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        RefOr::Ref(Ref::from_schema_name(T::name()))
    }

    /// Names of the parameters behind the question mark, `?after&limit`.
    pub fn query_names(&self) -> String {
        let queries = self
            .parameters
            .iter()
            .filter(|parameter| parameter.parameter_in == ParameterIn::Query);
        let mut names = String::new();
        for query in queries {
            names.push(if names.is_empty() { '?' } else { '&' });
            names.push_str(&query.name);
        }
        names
    }

    /// Name, description and problems in the words of OpenAPI, and the schemas that they name.
    pub fn into_operation(mut self) -> (Operation, Schemas) {
        let problem = (!self.refusals.is_empty()).then(|| self.schema::<Document<'_>>());
        let roles: Vec<String> = self.roles.iter().map(ToString::to_string).collect();
        let mut about = self.about;
        let mut operation = OperationBuilder::new()
            .operation_id(Some(self.id))
            .tag(self.tag)
            .summary(Some(self.summary));
        if roles.is_empty() {
            // Not even the document's default.
            operation = operation.securities(Some([SecurityRequirement::default()]));
        } else {
            let separator = if about.is_empty() { "" } else { "\n\n" };
            about = format!(
                "{about}{separator}Needs a token of role {}.",
                roles.join(", ")
            );
            let extensions = ExtensionsBuilder::new().add(ROLES, json!(roles));
            operation = operation.extensions(Some(extensions.build()));
        }
        if !about.is_empty() {
            operation = operation.description(Some(about));
        }
        if !self.parameters.is_empty() {
            operation = operation.parameters(Some(self.parameters));
        }
        operation = operation.request_body(self.body);
        for (status, response) in self.answers {
            operation = operation.response(status.to_string(), response);
        }
        if let Some(problem) = problem {
            for (status, response) in refusals(&self.refusals, &problem) {
                operation = operation.response(status.to_string(), response);
            }
        }
        (operation.build(), self.schemas)
    }
}

/// One response per status, which names the codes behind it.
fn refusals(codes: &[ErrorCode], problem: &RefOr<Schema>) -> BTreeMap<u16, Response> {
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.http_status()).or_default().push(*code);
    }
    let response = |status: u16, codes: Vec<ErrorCode>| {
        let told = codes
            .iter()
            .map(|code| format!("`{}`: {}", code.as_str(), code.title()));
        let content = ContentBuilder::new().schema(Some(problem.clone()));
        let mut response = ResponseBuilder::new()
            .description(told.collect::<Vec<_>>().join("; "))
            .content(PROBLEM_JSON, content.build());
        if matches!(status, 429 | 503) {
            let seconds = HeaderBuilder::new()
                .schema(Some(whole(1, i64::from(u32::MAX))))
                .description(Some("Seconds to wait before trying again."));
            response = response.header("retry-after", seconds.build());
        }
        if status == 401 {
            let scheme = HeaderBuilder::new()
                .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
                .description(Some("`Bearer`."));
            response = response.header("www-authenticate", scheme.build());
        }
        response.build()
    };
    by_status
        .into_iter()
        .map(|(status, codes)| (status, response(status, codes)))
        .collect()
}

/// An id of a drone or fleet.
pub fn id_schema() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(ID_PATTERN))
        .into()
}

/// A whole number from `least` to `most`.
pub fn whole(least: i64, most: i64) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(least))
        .maximum(Some(most))
        .into()
}

/// A named example of a body.
pub fn example(summary: &str, value: &Value) -> RefOr<utoipa::openapi::example::Example> {
    let example = ExampleBuilder::new()
        .summary(summary)
        .value(Some(value.clone()));
    example.build().into()
}

/// Text without further rules.
pub fn text() -> RefOr<Schema> {
    String::schema()
}
