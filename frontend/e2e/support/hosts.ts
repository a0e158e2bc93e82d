import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type RequestListener, type Server, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { promisify } from 'node:util';

const MIME: Record<string, string> = {
	'.html': 'text/html; charset=utf-8',
	'.js': 'text/javascript; charset=utf-8',
	'.css': 'text/css; charset=utf-8',
	'.json': 'application/json',
	'.svg': 'image/svg+xml',
	'.webmanifest': 'application/manifest+json'
};

/** A web server in front of the real one, or beside it. */
export class Host {
	private constructor(
		readonly port: number,
		private readonly server: Server
	) {}

	private static async start(answer: RequestListener): Promise<Host> {
		const server = createServer(answer);
		await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
		return new Host((server.address() as AddressInfo).port, server);
	}

	get url(): string {
		return `http://127.0.0.1:${this.port}`;
	}

	/** Serves a folder as nginx does with `try_files $uri /index.html`. */
	static serving(folder: () => string): Promise<Host> {
		return Host.start((asked, answer) => {
			const path = normalize(new URL(asked.url ?? '/', 'http://host').pathname);
			const file = extname(path) ? path : '/index.html';
			readFile(join(folder(), file)).then(
				(content) =>
					answer.writeHead(200, { 'content-type': MIME[extname(file)] ?? 'application/octet-stream' }).end(content),
				() => answer.writeHead(404).end()
			);
		});
	}

	/** Passes what is under `path` on to the server at `url`, without the path and without the host's name. */
	static takingOff(path: string, url: string): Promise<Host> {
		return Host.start((asked, answer) => {
			if (!asked.url?.startsWith(`${path}/`)) return void answer.writeHead(404).end();
			const headers = { ...asked.headers, host: new URL(url).host };
			const passed = request(url + asked.url.slice(path.length), { method: asked.method, headers }, (got) => {
				answer.writeHead(got.statusCode ?? 502, got.headers);
				got.pipe(answer);
			});
			passed.once('error', () => answer.destroy());
			answer.once('close', () => passed.destroy());
			asked.pipe(passed);
		});
	}

	async stop(): Promise<void> {
		const ended = new Promise((end) => this.server.close(end));
		this.server.closeAllConnections();
		await ended;
	}
}

/** The web app built for an API elsewhere, in a folder of its own. */
export class BuiltApp {
	private constructor(readonly folder: string) {}

	static async for(apiUrl: string): Promise<BuiltApp> {
		const folder = await mkdtemp(join(tmpdir(), 'traitortrack-app-'));
		const env = { ...process.env, VITE_API_URL: apiUrl, OUTPUT_FOLDER: folder };
		await promisify(execFile)('npx', ['vite', 'build', '--logLevel', 'error'], { env, maxBuffer: 2 ** 24 });
		return new BuiltApp(folder);
	}

	remove(): Promise<void> {
		return rm(this.folder, { recursive: true, force: true });
	}
}
