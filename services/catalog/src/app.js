// The catalog service: what can be bought, and for how much. It listens nowhere yet: server.js does that.

import express from 'express';

import { ApiError, answer, methodNotAllowed, notFound } from './errors.js';
import { logRequests } from './logs.js';
import { number, numbers } from './incoming.js';
import { products } from './products.js';

const byId = new Map(products.map((product) => [product.id, product]));

export function createApp() {
  const app = express();
  app.disable('x-powered-by');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.use(logRequests);

  app.route('/health').get((request, response) => {
    response.json({
      service: 'catalog',
      status: 'healthy',
      timestamp: new Date().toISOString(),
      checks: {}, // we depend on nothing
    });
  }).all(methodNotAllowed);

  app.route('/products/:id').get((request, response) => {
    const product = /^[1-9]\d*$/.test(request.params.id) && byId.get(Number(request.params.id));
    if (!product) throw new ApiError(404, 'not_found', `there is no product ${request.params.id}`);
    response.json(product);
  }).all(methodNotAllowed);

  app.route('/products').get((request, response) => {
    if (request.query.ids !== undefined) {
      const found = numbers(request.query, 'ids', { most: 100 }).map((id) => byId.get(id));
      return response.json({ products: found.filter(Boolean) });
    }
    const after = number(request.query, 'after', { otherwise: 0, least: 0, most: 2 ** 31 - 1 });
    const limit = number(request.query, 'limit', { otherwise: 20, least: 1, most: 100 });
    return response.json({ products: products.filter(({ id }) => id > after).slice(0, limit) });
  }).all(methodNotAllowed);

  app.use(notFound);
  app.use(answer);
  return app;
}
