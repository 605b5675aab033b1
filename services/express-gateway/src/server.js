// The gateway once more, as it is usually built in Express: lesson 04 measures it beside the one in Flask and beside nginx.

import { Agent } from 'node:http';

import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';

const ROUTES = { users: '/users', orders: '/orders', catalog: '/products' };
const agent = new Agent({ keepAlive: true, maxSockets: 64 });

const app = express();
app.disable('x-powered-by');
app.get('/health', (request, response) => response.json({ service: 'express-gateway', status: 'healthy' }));
for (const [service, path] of Object.entries(ROUTES)) {
  const url = process.env[`${service.toUpperCase()}_URL`];
  if (!url) throw new Error(`express-gateway: set ${service.toUpperCase()}_URL in the environment: missing, and without a default`);
  app.use(`/api/${service}`, createProxyMiddleware({ target: url + path, agent, xfwd: true, proxyTimeout: 1000 }));
}

const server = app.listen(Number(process.env.PORT ?? 3000), '0.0.0.0', (error) => {
  if (error) throw error;
});
server.keepAliveTimeout = 75_000; // longer than any client keeps an idle connection

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => server.close(() => process.exit(0)));
