//! One line per route. The router, the OpenAPI document and `GET /` are made from these lines, so
//! that none of them can tell another story than the others.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::openapi::Doc;
use crate::gateway::state::Gateway;

/// A method and a path, who answers, and what is told about it.
pub struct Route {
    pub method: Method,
    /// Path with its parameters in braces.
    pub path: &'static str,
    pub about: About,
    handler: MethodRouter<Arc<Gateway>>,
}

/// What is told about a route.
#[derive(Debug, Clone, Copy)]
pub enum About {
    /// A call of the REST door, described in the OpenAPI document.
    Call(fn() -> Doc),
    /// A door of its own or a page, in one sentence: OpenAPI has no words for it.
    Door(&'static str),
    /// Belongs to the page before it.
    Part,
}

impl Route {
    /// A GET that the OpenAPI document describes.
    pub fn get<H: Handler<T, Arc<Gateway>>, T: 'static>(
        path: &'static str,
        handler: H,
        doc: fn() -> Doc,
    ) -> Self {
        Self::call((Method::GET, MethodFilter::GET), path, handler, doc)
    }

    /// A POST that the OpenAPI document describes.
    pub fn post<H: Handler<T, Arc<Gateway>>, T: 'static>(
        path: &'static str,
        handler: H,
        doc: fn() -> Doc,
    ) -> Self {
        Self::call((Method::POST, MethodFilter::POST), path, handler, doc)
    }

    /// A PUT that the OpenAPI document describes.
    pub fn put<H: Handler<T, Arc<Gateway>>, T: 'static>(
        path: &'static str,
        handler: H,
        doc: fn() -> Doc,
    ) -> Self {
        Self::call((Method::PUT, MethodFilter::PUT), path, handler, doc)
    }

    /// A PATCH that the OpenAPI document describes.
    pub fn patch<H: Handler<T, Arc<Gateway>>, T: 'static>(
        path: &'static str,
        handler: H,
        doc: fn() -> Doc,
    ) -> Self {
        Self::call((Method::PATCH, MethodFilter::PATCH), path, handler, doc)
    }

    /// A DELETE that the OpenAPI document describes.
    pub fn delete<H: Handler<T, Arc<Gateway>>, T: 'static>(
        path: &'static str,
        handler: H,
        doc: fn() -> Doc,
    ) -> Self {
        Self::call((Method::DELETE, MethodFilter::DELETE), path, handler, doc)
    }

    /// Something else than a call: a page, a WebSocket, another language.
    pub fn door(
        method: Method,
        path: &'static str,
        handler: MethodRouter<Arc<Gateway>>,
        about: &'static str,
    ) -> Self {
        let about = About::Door(about);
        Self {
            method,
            path,
            about,
            handler,
        }
    }

    /// What a page fetches for itself.
    pub fn part(path: &'static str, handler: MethodRouter<Arc<Gateway>>) -> Self {
        Self {
            method: Method::GET,
            path,
            about: About::Part,
            handler,
        }
    }

    fn call<H: Handler<T, Arc<Gateway>>, T: 'static>(
        (method, filter): (Method, MethodFilter),
        path: &'static str,
        handler: H,
        doc: fn() -> Doc,
    ) -> Self {
        Self {
            method,
            path,
            about: About::Call(doc),
            handler: on(filter, handler),
        }
    }

    /// Puts the route into a router.
    pub fn into_router(self, router: Router<Arc<Gateway>>) -> Router<Arc<Gateway>> {
        router.route(self.path, self.handler)
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
