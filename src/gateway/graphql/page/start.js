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

// GraphiQL asks for the schema once, so it begins anew with each token.
const start = (token) => {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  const fetcher = GraphiQL.createFetcher({ url: "/graphql", headers });
  const props = { key: token, fetcher, shouldPersistHeaders: false, defaultQuery: QUERY };
  root.render(React.createElement(GraphiQL, props));
};

document.getElementById("session").addEventListener("submit", (event) => {
  event.preventDefault();
  start(document.getElementById("token").value.trim());
});
start("");
