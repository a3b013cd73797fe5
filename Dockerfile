# The base, so that a copy of it can be named: --build-arg NODE_IMAGE=...
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The workspaces hold a Node for machines that have an old one, and a client for the tests: neither is needed here.
RUN npm ci --ignore-scripts --workspaces=false
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npm run build && npm prune --omit=dev --ignore-scripts --workspaces=false

FROM ${NODE_IMAGE}
# Version and revision belong to one build: add them with --label org.opencontainers.image.version=...
LABEL org.opencontainers.image.title="imgapi-mirror" \
      org.opencontainers.image.description="A caching pull-through mirror for SmartOS image servers (IMGAPI)" \
      org.opencontainers.image.licenses="MPL-2.0"
# What installs packages is of no use to a running mirror, only to an intruder. The command has its name on the PATH. The cache is open to group 0 as well, for
# orchestrators that give each container a uid of its own.
RUN rm -rf /usr/local/lib/node_modules /usr/local/include/node /opt/yarn-* \
           /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg \
 && ln -s /app/bin/imgapi-mirror.js /usr/local/bin/imgapi-mirror \
 && install -d -o 1000 -g 0 -m 0775 /var/cache/imgapi-mirror
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY bin bin
COPY config config
# Any other key of config/imgapi-mirror.yaml is a variable too, or a file that IMGAPI_MIRROR_CONFIG names.
ENV NODE_ENV=production \
    IMGAPI_MIRROR_CACHE_DIR=/var/cache/imgapi-mirror
# The base's user "node", by number: an orchestrator that refuses root does not know names.
USER 1000:1000
VOLUME /var/cache/imgapi-mirror
EXPOSE 8080
# serving.json has the address, however host and port were configured. `agent: false` keeps proxies out of it, which
# NODE_USE_ENV_PROXY would put in between. An error or a timeout that nobody catches is exit code 1.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["node", "-e", "\
const { address } = JSON.parse(require('node:fs').readFileSync(process.env.IMGAPI_MIRROR_CACHE_DIR + '/serving.json')); \
require(address.startsWith('https:') ? 'node:https' : 'node:http').get(address + '/_mirror/health', \
{ agent: false, rejectUnauthorized: false, signal: AbortSignal.timeout(4000) }, (answer) => \
process.exit(answer.statusCode === 200 ? 0 : 1))"]
ENTRYPOINT ["node", "/app/bin/imgapi-mirror.js"]
CMD ["serve"]
