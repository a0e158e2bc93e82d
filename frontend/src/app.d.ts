declare global {
	namespace App {
		interface Error {
			message: string;
			code?: string | undefined;
			/** Names the request in the server's log. */
			requestId?: string | undefined;
		}
	}
}

export {};
