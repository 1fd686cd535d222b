// Starts GraphiQL. The token is typed into the headers pane; it is kept in no storage and no URL.
"use strict";

const fetcher = GraphiQL.createFetcher({ url: "/graphql" });
const page = React.createElement(GraphiQL, {
  fetcher,
  isHeadersEditorEnabled: true,
  shouldPersistHeaders: false,
  defaultEditorToolsVisibility: "headers",
  defaultHeaders: JSON.stringify({ authorization: "Bearer <token>" }, null, 2),
  defaultQuery: `# The drones that were heard last. Put a token into the headers below:
# \`aerostream token issue --role viewer\` makes one.
{
  drones(first: 5, filter: { heardWithinS: 60 }) {
    nodes {
      id
      live {
        position { latitudeDeg longitudeDeg relativeAltitudeM }
        battery { remainingPercent }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
});
ReactDOM.createRoot(document.getElementById("graphiql")).render(page);
