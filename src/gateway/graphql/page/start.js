// Starts GraphiQL. The token is kept in no storage and no URL.
"use strict";

const QUERY = `# The drones that were heard last.
{
  drones(first: 5, filter: { heardWithinS: 60 }) {
    nodes {
      id
      live {
        position { latitudeDeg longitudeDeg }
        battery { remainingPercent }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`;

const root = ReactDOM.createRoot(document.getElementById("graphiql"));

// Subscriptions go over a WebSocket of their own, as graphql-transport-ws has it.
const subscribe = (token, params) => ({
  subscribe(observer) {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/graphql/ws`, "graphql-transport-ws");
    const say = (message) => socket.send(JSON.stringify(message));
    const payload = token === "" ? {} : { authorization: `Bearer ${token}` };
    let ended = false;
    const end = (how) => {
      if (!ended) {
        ended = true;
        how();
        socket.close();
      }
    };
    socket.onopen = () => say({ type: "connection_init", payload });
    socket.onclose = (event) => end(() => observer.error(new Error(event.reason || "closed")));
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      switch (message.type) {
        case "connection_ack":
          say({ type: "subscribe", id: "1", payload: params });
          break;
        case "ping":
          say({ type: "pong" });
          break;
        case "next":
          observer.next(message.payload);
          break;
        case "error":
          end(() => observer.error(message.payload));
          break;
        case "complete":
          end(() => observer.complete());
          break;
      }
    };
    return { unsubscribe: () => end(() => {}) };
  },
});

const isSubscription = (params, options) =>
  (options?.documentAST?.definitions ?? []).some((one) =>
    one.operation === "subscription" &&
    (!params.operationName || one.name?.value === params.operationName));

// GraphiQL asks for the schema once, so it begins anew with each token.
const start = (token) => {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  const once = GraphiQL.createFetcher({ url: "/graphql", headers });
  const fetcher = (params, options) =>
    isSubscription(params, options) ? subscribe(token, params) : once(params, options);
  const props = { key: token, fetcher, shouldPersistHeaders: false, defaultQuery: QUERY };
  root.render(React.createElement(GraphiQL, props));
};

document.getElementById("session").addEventListener("submit", (event) => {
  event.preventDefault();
  start(document.getElementById("token").value.trim());
});
start("");
