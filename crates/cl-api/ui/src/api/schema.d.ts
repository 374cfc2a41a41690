// Made by `cargo xtask ui` from docs/user/api/openapi.json; do not edit.

export interface paths {
    "/api/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Describes everything that can be asked. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description This document */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the projects, those where something happened last first. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Projects"];
                    };
                };
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        /** Makes a project, with the folder that its agents work in. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ProjectCreate"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Project"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/home-dirs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Suggests folders that agents have worked in. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["HomeDirs"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a project. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Project"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        /** Deletes a project with all its tasks; not through browsers. */
        delete: {
            parameters: {
                query?: {
                    /** @description Stop what runs, and delete it, too; 1 or 0. */
                    force?: string;
                };
                header?: never;
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ProjectDeleted"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/gc": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Deletes old runs of a project; not through browsers. */
        post: {
            parameters: {
                query?: {
                    /** @description How old a run is at the least, such as `24h`; `168h` unless given. */
                    older_than?: string;
                    /** @description Only tell what would be deleted; 1 or 0. */
                    dry_run?: string;
                    /** @description Keep the runs that failed; 1 or 0. */
                    keep_failed?: string;
                };
                header?: never;
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["GcResult"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the messages of a project. */
        get: {
            parameters: {
                query?: {
                    /** @description Only those behind this message; also `after` */
                    since?: string;
                    /** @description Only those before this message */
                    before?: string;
                    /** @description The last so many of them, at most 5000 */
                    limit?: number;
                    /** @description Only these types, with commas between them */
                    type?: string;
                    /** @description Only those of this run */
                    run_id?: string;
                };
                header?: never;
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Messages"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        /** Posts a message to a project. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description The same key, the same message */
                    "Idempotency-Key"?: string | null;
                };
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Post"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Posted"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/messages/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follows the messages of a project. */
        get: {
            parameters: {
                query?: {
                    from?: string;
                };
                header?: {
                    "Last-Event-ID"?: string | null;
                };
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["StreamEvent"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/runs/flat": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists runs for clients that nest them themselves. */
        get: {
            parameters: {
                query?: {
                    /** @description Only those that run, and what connects them; 1 or 0. */
                    active_only?: string;
                    /** @description The runs of this task, and what connects them. */
                    selected_task_id?: string;
                    /** @description Only so many of that task, the latest; at most 200, and 0 for all. */
                    selected_task_limit?: string;
                };
                header?: never;
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FlatRuns"];
                    };
                };
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Counts what a project has. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ProjectStats"];
                    };
                };
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follows what changes in a project: a snapshot, then changes. */
        get: {
            parameters: {
                query?: {
                    from?: string;
                };
                header?: {
                    "Last-Event-ID"?: string | null;
                };
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["StreamEvent"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the tasks of a project, those made last first. */
        get: {
            parameters: {
                query?: {
                    /** @description Only those of this status, or `active`, `done`, `postponed`; a word that is none of these counts as not given. */
                    status?: string;
                    /** @description How many there are in an answer; 50 unless given, at most 500. */
                    limit?: string;
                    /** @description How many stand before. */
                    offset?: string;
                    /** @description Instead of `offset`: the `next` of the answer before, or nothing for the first one; the answer then has `next`. */
                    after?: string;
                };
                header?: never;
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskPage"];
                    };
                };
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a task with its runs. */
        get: {
            parameters: {
                query?: {
                    /** @description Whether the files of the runs are listed; 1 unless given. */
                    include_files?: string;
                };
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskDetail"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        /** Deletes a task with all its files; not through browsers, and not while anything of it runs. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a task up, and says why: what runs is stopped, what waits is not begun. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["Cancel"] | null;
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskActed"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/evidence": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows what the gates found of a task's claims to be done. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskEvidence"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/evidence/{number}/output": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads what a gate printed. */
        get: {
            parameters: {
                query?: never;
                header?: {
                    /** @description One range of bytes */
                    Range?: string | null;
                };
                path: {
                    project_id: string;
                    task_id: string;
                    /** @description The number of the piece of evidence */
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                206: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The file has no such range */
                416: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/file": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a file of a task, or a part of it. */
        get: {
            parameters: {
                query?: {
                    /** @description `TASK.md`, which is also the default */
                    name?: string;
                    /** @description From this byte on */
                    offset?: number;
                    /** @description At most so many bytes; never more than 4 MiB */
                    limit?: number;
                    /** @description Only the last so many lines */
                    tail?: number;
                };
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FileContent"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/file/raw": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the bytes of a file of a task, as they are or with known secrets covered. */
        get: {
            parameters: {
                query?: {
                    /** @description `TASK.md`, which is also the default */
                    name?: string;
                    /** @description Asterisks stand in the place of secrets that the server knows, one for each byte */
                    covered?: boolean;
                };
                header?: {
                    /** @description One range of bytes */
                    Range?: string | null;
                };
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                206: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The file has no such range */
                416: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the messages of a task. */
        get: {
            parameters: {
                query?: {
                    /** @description Only those behind this message; also `after` */
                    since?: string;
                    /** @description Only those before this message */
                    before?: string;
                    /** @description The last so many of them, at most 5000 */
                    limit?: number;
                    /** @description Only these types, with commas between them */
                    type?: string;
                    /** @description Only those of this run */
                    run_id?: string;
                };
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Messages"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        /** Posts a message to a task. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description The same key, the same message */
                    "Idempotency-Key"?: string | null;
                };
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Post"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Posted"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/messages/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follows the messages of a task. */
        get: {
            parameters: {
                query?: {
                    from?: string;
                };
                header?: {
                    "Last-Event-ID"?: string | null;
                };
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["StreamEvent"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes away what keeps a task from being started, and starts it if that is asked for. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["Resume"] | null;
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Resumed"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the runs of a task, those begun last first. */
        get: {
            parameters: {
                query?: {
                    /** @description How many there are in an answer; 50 unless given, at most 500. */
                    limit?: string;
                    /** @description How many stand before. */
                    offset?: string;
                };
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Page_Run"];
                    };
                };
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/runs/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follows the lines and the status of the runs of a task. */
        get: {
            parameters: {
                query?: {
                    from?: string;
                };
                header?: {
                    "Last-Event-ID"?: string | null;
                };
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["StreamEvent"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a run. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Run"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        /** Deletes a run with all its files; not through browsers, and not while it runs. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads a file of a run, or a part of it. */
        get: {
            parameters: {
                query?: {
                    /** @description `stdout` (unless given), `stderr`, `prompt` or `output.md` */
                    name?: string;
                    /** @description From this byte on */
                    offset?: number;
                    /** @description At most so many bytes; never more than 4 MiB */
                    limit?: number;
                    /** @description Only the last so many lines */
                    tail?: number;
                };
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FileContent"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file/raw": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the bytes of a file of a run, as they are or with known secrets covered. */
        get: {
            parameters: {
                query?: {
                    /** @description `stdout` (unless given), `stderr`, `prompt` or `output.md` */
                    name?: string;
                    /** @description Asterisks stand in the place of secrets that the server knows, one for each byte */
                    covered?: boolean;
                };
                header?: {
                    /** @description One range of bytes */
                    Range?: string | null;
                };
                path: {
                    project_id: string;
                    task_id: string;
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                206: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The file has no such range */
                416: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/file/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Finds where a text stands in a file of a run, from a place on.
         * @description Large and small letters of ASCII are alike. One request goes through 64 MiB at the most;
         *     `next` says where to go on.
         */
        get: {
            parameters: {
                query: {
                    /** @description `stdout` (unless given), `stderr`, `prompt` or `output.md` */
                    name?: string;
                    /** @description The text; at most 1024 bytes */
                    q: string;
                    /** @description From this byte on */
                    from?: number;
                    /** @description At most so many places; 100 unless given, never more than 500 */
                    limit?: number;
                };
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["FileHits"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a run. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RunStopping"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/runs/{run_id}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follows the text of a file of a run. */
        get: {
            parameters: {
                query?: {
                    name?: string;
                    from?: string;
                };
                header?: {
                    "Last-Event-ID"?: string | null;
                };
                path: {
                    project_id: string;
                    task_id: string;
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["StreamEvent"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a task: what runs is ended, and nothing begins until somebody takes it up again. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskActed"];
                    };
                };
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskActed"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/unblock": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lifts dependencies of a task, so that it no longer waits for them. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["Unblock"] | null;
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskActed"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/uncancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes back that a task was given up; it is not started. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskActed"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tasks/{task_id}/wake": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends a task's wait for a usage limit. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskActed"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/projects/{project_id}/tree": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows the tree of a project: what stands below what. */
        get: {
            parameters: {
                query?: {
                    /** @description The task whose runs are there whatever else is left out. */
                    task_id?: string;
                };
                header?: never;
                path: {
                    project_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Tree"];
                    };
                };
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Follows what changes below the root: a snapshot, then changes, and how followed files grow.
         * @description Of each file that is followed a `grown` event says how large it is: at once, and when it is
         *     another size or another file, at most ten times a second.
         */
        get: {
            parameters: {
                query?: {
                    /** @description A file that is followed, as `PROJECT/TASK/RUN/FILE`; may be given 64 times */
                    follow?: string[];
                    from?: string;
                };
                header?: {
                    "Last-Event-ID"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["StreamEvent"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/admin/login-link": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a link that logs a browser in, once. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["LoginLink"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/admin/self-update": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says how far a self-update has come. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SelfUpdateStatus"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        /** Puts another build of the program in the place of this one, as soon as no root run is active. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SelfUpdate"];
                };
            };
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SelfUpdateStatus"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads back what was changed through the server, the newest first. */
        get: {
            parameters: {
                query?: {
                    /** @description At most so many; 50 unless given, never more than 500 */
                    limit?: number;
                    project_id?: string;
                    task_id?: string;
                    request_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AuditTrail"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/activities": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells what tasks are doing; which ones is said as for `/api/v1/core/tasks`. */
        get: {
            parameters: {
                query: {
                    project_id?: string;
                    task_id?: string;
                    /** @description From when on a task that reports nothing that matters counts as adrift */
                    drift_after_ms: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskActivity"][];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads messages of a project or a task, with their places. */
        get: {
            parameters: {
                query: {
                    project_id: string;
                    task_id?: string;
                    /** @description Only those behind this message, or behind this cursor */
                    after?: string;
                    /** @description Only those before it */
                    before?: string;
                    /** @description Only those posted later */
                    later_than?: string;
                    /** @description Only these types, with commas between them */
                    type?: string;
                    /** @description Only those whose body holds this text */
                    text?: string;
                    run_id?: string;
                    issue_id?: string;
                    /** @description At most so many, and never more than 1000 */
                    limit?: number;
                    /** @description The first ones rather than the last */
                    oldest?: boolean;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        /** Posts a message; it is as durable as was asked for when this is answered. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["BusPost"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["BusPosted"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Names the projects. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ProjectNames"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects/{project_id}/tasks/{task_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows everything about a task. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskShown"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects/{project_id}/tasks/{task_id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a task up for good and keeps its folder. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CancelRequest"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["CancelAnswer"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects/{project_id}/tasks/{task_id}/clear": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes away what keeps a task from being started, and starts nothing. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ClearRequest"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskStartable"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects/{project_id}/tasks/{task_id}/delete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Deletes a task with its runs and messages; not through browsers. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["DeleteRequest"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["DeleteAnswer"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects/{project_id}/tasks/{task_id}/launch": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Runs a task; it is in the queue when this is answered, and launched if nothing is in the way. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["LaunchRequest"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Launched"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects/{project_id}/tasks/{task_id}/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the runs of a task, oldest first. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RunListing"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects/{project_id}/tasks/{task_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a task and everything below it; answers when that is done. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["StopRequest"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["StopAnswer"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects/{project_id}/tasks/{task_id}/unblock": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a task begin without tasks that it waits for. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Unblock"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["UnblockAnswer"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects/{project_id}/tasks/{task_id}/uncancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes the giving up of a task back; nothing is started. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskChanged"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/projects/{project_id}/tasks/{task_id}/wake": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends a task's wait for a usage limit. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    project_id: string;
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskChanged"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/core/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists tasks: all, those of a project, or the ones that are named. */
        get: {
            parameters: {
                query?: {
                    /** @description Only those of this project */
                    project_id?: string;
                    /** @description Only these, with commas between them; needs project_id */
                    task_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskListing"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says whether anything is slower or less than it should be. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Health"];
                    };
                };
                400: components["responses"]["BadRequest"];
                403: components["responses"]["Forbidden"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/limits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows what is known of the usage limits of agents, and of agents that fail. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Limits"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/limits/{agent}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Forgets what is known of the limits of an agent, named by its kind, name or account. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    agent: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Forgotten"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reads the messages of a project or, with a task, of that task. */
        get: {
            parameters: {
                query: {
                    project_id: string;
                    task_id?: string;
                    /** @description Only those behind this message; also `since` */
                    after?: string;
                    /** @description Only those before this message */
                    before?: string;
                    /** @description The last so many of them, at most 5000 */
                    limit?: number;
                    /** @description Only these types, with commas between them */
                    type?: string;
                    /** @description Only those of this run */
                    run_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Messages"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        /** Posts a message to a project or, with a task, to that task. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description The same key, the same message */
                    "Idempotency-Key"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["PostTo"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Posted"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/messages/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follows the messages of a project or a task. */
        get: {
            parameters: {
                query: {
                    project_id: string;
                    task_id?: string;
                    from?: string;
                };
                header?: {
                    "Last-Event-ID"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["StreamEvent"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/ps": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows the processes of tasks, and what they are doing. */
        get: {
            parameters: {
                query?: {
                    project_id?: string;
                    task_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Processes"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the runs of all projects, or of one, by id. */
        get: {
            parameters: {
                query?: {
                    /** @description The project; all if it is left out. */
                    project_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Runs"];
                    };
                };
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/stream/all": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follows the lines and the status of all runs: of those at work, what comes. */
        get: {
            parameters: {
                query?: {
                    from?: string;
                };
                header?: {
                    "Last-Event-ID"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["StreamEvent"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a run. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RunResponse"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run_id}/info": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Returns the record of a run as it stands on disk. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/x-yaml": string;
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run_id}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stops a run, by its id alone. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Stopping"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{run_id}/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follows the lines and the status of a run, whichever project it belongs to. */
        get: {
            parameters: {
                query?: {
                    from?: string;
                };
                header?: {
                    "Last-Event-ID"?: string | null;
                };
                path: {
                    run_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": components["schemas"]["StreamEvent"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says what runs. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Status"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the tasks of all projects, or of one. */
        get: {
            parameters: {
                query?: {
                    /** @description The project; all if it is left out. */
                    project_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Tasks"];
                    };
                };
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        /** Accepts a task; it is on disk, in the queue, when this is answered. */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description The same key, the same submission */
                    "Idempotency-Key"?: string | null;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["TaskCreate"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TaskCreated"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: components["responses"]["PayloadTooLarge"];
                415: components["responses"]["UnsupportedMediaType"];
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tasks/{task_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a task with its runs. */
        get: {
            parameters: {
                query?: {
                    /** @description The project; all if it is left out. */
                    project_id?: string;
                };
                header?: never;
                path: {
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Task"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        /** Gives a task up: what runs is stopped, what waits is not begun. */
        delete: {
            parameters: {
                query?: {
                    project_id?: string;
                };
                header?: never;
                path: {
                    task_id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Stopped"];
                    };
                };
                400: components["responses"]["BadRequest"];
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Adds up what runs have used. */
        get: {
            parameters: {
                query?: {
                    project_id?: string;
                    /** @description Needs `project_id` */
                    task_id?: string;
                    /** @description `agent` (unless given), `task`, `project`, `day` or `model` */
                    by?: string;
                    /** @description Only runs that began then or later */
                    since?: string;
                    /** @description Only runs of the last so many days, in UTC */
                    days?: number;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["UsageReport"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/usage/trend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Adds up what runs have used along time. */
        get: {
            parameters: {
                query?: {
                    /** @description Only runs of this project. */
                    project_id?: string;
                    /** @description Only runs of this task; needs `project_id`. */
                    task_id?: string;
                    /** @description `agent` (unless given), `model`, `task` or `project`. */
                    by?: string;
                    /** @description `day` (unless given) or `hour`. */
                    bucket?: string;
                    /** @description So many days, today included; 7 unless given, at most 731, or 31 where buckets are hours. */
                    days?: string;
                    /** @description In which days begin, such as `Europe/Berlin`; `UTC` unless given. */
                    time_zone?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["UsageTrend"];
                    };
                };
                304: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                401: components["responses"]["Unauthorized"];
                403: components["responses"]["Forbidden"];
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: components["responses"]["TooManyRequests"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/version": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says which version it is. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Version"];
                    };
                };
                400: components["responses"]["BadRequest"];
                403: components["responses"]["Forbidden"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says that the server answers, and for how long it has. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Healthz"];
                    };
                };
                400: components["responses"]["BadRequest"];
                403: components["responses"]["Forbidden"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says what is counted and measured. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                400: components["responses"]["BadRequest"];
                403: components["responses"]["Forbidden"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ui/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Logs a browser in with the code of a link, and leads it to the web UI. */
        get: {
            parameters: {
                query: {
                    /** @description The code of the link; it works once */
                    code: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description To the page, with a cookie */
                303: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: components["responses"]["BadRequest"];
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ui/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Logs a browser out. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Back to the page */
                303: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                400: components["responses"]["BadRequest"];
                403: components["responses"]["Forbidden"];
                500: components["responses"]["Internal"];
                503: components["responses"]["Unavailable"];
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description What a task is doing, as far as it can be told from outside. */
        Activity: {
            /**
             * @description Whether its processes compute: `busy`, `still`, or `unknown` where nobody had to look.
             * @example unknown
             */
            cpu: string;
            /**
             * Format: date-time
             * @description When the streams or the answer of the run last grew.
             */
            latest_output_at?: string | null;
            /**
             * Format: int64
             * @description Seconds since something was written last.
             * @example 4
             */
            silent_seconds?: number | null;
            /**
             * @description `working`, `quiet`, `idle`, `stuck`, `waiting`.
             * @example working
             */
            state: string;
            /** @description What it waits for. */
            waiting_for?: string | null;
        };
        /**
         * @description What became of a task that was submitted.
         * @enum {string}
         */
        Admission: "started" | "queued" | "accepted";
        /**
         * @description What to do if a task is there already.
         * @enum {string}
         */
        AttachMode: "create" | "attach" | "resume";
        /**
         * @description A change that was asked for; one line of the audit file and one item of its endpoint.
         *
         *     The keys stand in the order of the file. What it says of its outcome is newer than the
         *     rest, so readers of older lines find none.
         */
        AuditEntry: {
            /** @description The request again. */
            correlation_id: string;
            /**
             * @description The pattern of its path.
             * @example POST /api/v1/messages
             */
            endpoint: string;
            /** @description The message. */
            message_id?: string | null;
            /**
             * @description Its method.
             * @example POST
             */
            method: string;
            /**
             * @description Its path.
             * @example /api/v1/messages
             */
            path: string;
            /** @description What the request said, without secrets. */
            payload?: Record<string, never> | null;
            /** @description Why it was refused. */
            problem?: string | null;
            /**
             * @description The project.
             * @example p
             */
            project_id?: string | null;
            /**
             * @description Who asked.
             * @example 127.0.0.1:50412
             */
            remote_addr?: string | null;
            /**
             * @description The request.
             * @example req-1771881000100000000-a1b2c3d4e5f6
             */
            request_id: string;
            /** @description The run. */
            run_id?: string | null;
            /**
             * Format: int32
             * @description The HTTP status of the answer.
             * @example 201
             */
            status?: number | null;
            /** @description The task. */
            task_id?: string | null;
            /**
             * Format: date-time
             * @description When.
             * @example 2026-02-23T21:10:00.1Z
             */
            timestamp: string;
        };
        /** @description What was asked for, the newest first; the answer of `GET /api/v1/audit`. */
        AuditTrail: {
            /** @description Each change; without a status where nothing is known of its outcome. */
            entries: components["schemas"]["AuditEntry"][];
            /**
             * @description There are older ones.
             * @example false
             */
            has_more: boolean;
            /**
             * @description How many lines could not be read.
             * @example 0
             */
            unreadable: number;
        };
        /** @description A message that is to be posted. */
        BusPost: {
            /** @description Its text. */
            body: string;
            /** @description When it counts as posted: on the `disk`, or when the system has it (`os`). */
            durability: string;
            /** @description The issue that it is about; may be empty. */
            issue_id: string;
            /** @description Places that it points to. */
            links: string[];
            /** @description Further facts, by name. */
            meta: {
                [key: string]: string;
            };
            /** @description The messages that it answers, each with how. */
            parents: [
                string,
                string
            ][];
            /** @description The project. */
            project_id: string;
            /** @description The run that it is about. */
            run_id?: string | null;
            /** @description The task on whose bus it goes; the project's own without one. */
            task_id?: string | null;
            /** @description What sort of message it is. */
            type: string;
        };
        /** @description A message that was posted. */
        BusPosted: {
            /** @description The file with its whole body, where that does not fit into a message. */
            attachment?: string | null;
            /** @description The bus file, on the machine that answers. */
            bus: string;
            /** @description What is promised. */
            durability: string;
            /** @description The id that it got. */
            msg_id: string;
            /**
             * Format: int64
             * @description Where it stands in the file.
             */
            position: number;
            /** @description The project. */
            project_id: string;
            /** @description The run that it is about. */
            run_id?: string | null;
            /** @description The task. */
            task_id?: string | null;
        };
        /** @description The body of `POST /api/projects/{p}/tasks/{t}/cancel`; may be left out. */
        Cancel: {
            /**
             * @description Why it is given up.
             * @example the schema was dropped
             */
            reason?: string;
            /** @description The task that counts in its place. */
            superseded_by?: string | null;
        };
        /** @description The answer to a wish to give a task up. */
        CancelAnswer: {
            /** @description What happened. */
            cancelled: components["schemas"]["TaskCancelled"];
            /** @description What else there is to say. */
            warnings: string[];
        };
        /** @description That a task is to be given up. */
        CancelRequest: {
            /** @description What runs is stopped first, rather than in the way. */
            force: boolean;
            /**
             * Format: int64
             * @description How long agents may take to end before they are killed, in milliseconds.
             */
            grace_ms: number;
            /** @description Why. */
            reason: string;
            /** @description The task that counts in its place. */
            superseded_by?: string | null;
        };
        /** @description Why a task was given up. */
        CancellationShown: {
            /** @description When. */
            at: string;
            /** @description Why. */
            reason: string;
            /** @description The task that counts in its place. */
            superseded_by?: string | null;
        };
        /** @description A task that an agent of another one launched. */
        ChildRef: {
            /** @description Whether it has anything that runs. */
            active: boolean;
            /** @description The run that launched it. */
            parent_run_id: string;
            /** @description The project. */
            project_id: string;
            /** @description The task. */
            task_id: string;
        };
        /** @description What the gates said of the claim that was judged last. */
        ClaimFact: {
            /** @description The numbers of their evidence. */
            evidence: number[];
            /**
             * Format: int32
             * @description How many gates judge it.
             */
            gates: number;
            /**
             * Format: int32
             * @description Which claim of the launch it is.
             */
            number: number;
            /**
             * Format: int32
             * @description How many of them passed.
             */
            passed: number;
            /** @description Nothing was seen of any work behind it. */
            suspicious: boolean;
            /** @description The working tree that they have proven. */
            tree?: string | null;
        };
        /** @description That what keeps a task from being started is to be taken away. */
        ClearRequest: {
            /** @description Also if it was given up. */
            force: boolean;
        };
        /** @description How many tasks there are. */
        Counts: {
            /** @description Those with anything that runs. */
            active: number;
            /** @description Those that wait for other tasks. */
            blocked: number;
            /** @description Those that ended as wished. */
            completed: number;
            /** @description Those that failed. */
            failed: number;
            /** @description Those that wait for a run slot. */
            queued: number;
            /** @description Those that nothing stands above. */
            root_tasks: number;
            /** @description Their runs. */
            runs: number;
            /** @description All. */
            tasks: number;
        };
        /** @description A part of a list that changes while it is read: it goes on behind a place, not a number. */
        CursorPage_TaskItem: {
            /**
             * @description Whether something stands behind this part, in the direction that was asked for.
             * @example false
             */
            has_more: boolean;
            /** @description The items of this part. */
            items: {
                /** @description Those of them that are not; `null` if there are none. */
                blocked_by?: string[] | null;
                /** @description The tasks that must be done first; `null` if there are none. */
                depends_on?: string[] | null;
                /**
                 * @description The claim to be done stands.
                 * @example false
                 */
                done: boolean;
                /**
                 * @description The task.
                 * @example task-20260223-204858-docs-pass
                 */
                id: string;
                /**
                 * Format: date-time
                 * @description When something happened last, if anything has.
                 * @example 2026-02-23T20:48:58.12Z
                 */
                last_activity?: string | null;
                /**
                 * Format: int32
                 * @description How that run ended; -1 while it runs.
                 * @example -1
                 */
                last_run_exit_code?: number | null;
                /**
                 * Format: int64
                 * @description How much it has written, in bytes.
                 * @example 2048
                 */
                last_run_output_size?: number | null;
                /**
                 * @description The status of the run that counts.
                 * @example running
                 */
                last_run_status?: string | null;
                /**
                 * @description The project.
                 * @example p
                 */
                project_id: string;
                /** @description Its place among those that wait for a run slot, from one. */
                queue_position?: number | null;
                /**
                 * @description How many runs it has.
                 * @example 2
                 */
                run_count: number;
                /**
                 * @description How many of each status.
                 * @example {
                 *       "completed": 1,
                 *       "running": 1
                 *     }
                 */
                run_counts: {
                    [key: string]: number;
                };
                /**
                 * @description The status that holds now.
                 * @example running
                 */
                status: string;
                thread_parent?: components["schemas"]["ThreadParent"] | null;
            }[];
            /**
             * @description The place behind the last item; ask with `after=` for what follows it.
             * @example MSG-20260223-211000-000000001-PID00700-0001
             */
            next: string | null;
            /** @description The place of the first item; ask with `before=` for what precedes it. */
            previous: string | null;
        };
        /** @description The answer to a wish to delete a task. */
        DeleteAnswer: {
            /** @description What happened. */
            deleted: components["schemas"]["TaskDeleted"];
            /** @description Why something is left of its folder. */
            leftover_error?: string | null;
        };
        /** @description That a task is to be deleted. */
        DeleteRequest: {
            /** @description What runs is stopped first, rather than in the way. */
            force: boolean;
            /**
             * Format: int64
             * @description How long agents may take to end before they are killed, in milliseconds.
             */
            grace_ms: number;
        };
        /** @description What happened, to which thing, and what to do. */
        Detail: {
            /** @description The kind. */
            code: components["schemas"]["ProblemCode"];
            /** @description The things concerned, by name. */
            details?: {
                [key: string]: string;
            };
            /** @description What to do. */
            hint?: string | null;
            /** @description What happened, to which thing. */
            message: string;
        };
        /** @description What one gate found once. */
        EvidenceRow: {
            /**
             * Format: int32
             * @description Which claim of the launch it was, from one.
             * @example 1
             */
            claim: number;
            /**
             * @description Its working folder.
             * @example /srv/work/p
             */
            cwd: string;
            /**
             * Format: int64
             * @description How long it took.
             * @example 5300
             */
            duration_ms: number;
            /**
             * Format: int32
             * @description Its exit code, if it ended by itself.
             * @example 0
             */
            exit_code?: number | null;
            /** @description The launch whose claim it judged. */
            launch_id: string;
            /**
             * @description What the gate is called.
             * @example tests
             */
            name: string;
            /**
             * Format: int32
             * @description The number of the piece.
             * @example 1
             */
            number: number;
            /** @description Name of the file that holds what it printed. */
            output: string;
            /**
             * Format: int64
             * @description How large that is.
             */
            output_bytes: number;
            /** @description Its SHA-256. */
            output_sha256: string;
            /** @description Why it refused. */
            reason?: string | null;
            /**
             * @description Its command.
             * @example cargo test
             */
            run: string;
            /** @description The run before it. */
            run_id?: string | null;
            /**
             * Format: int32
             * @description The signal that ended it, if one did.
             */
            signal?: number | null;
            /**
             * Format: date-time
             * @description When it was started.
             * @example 2026-02-23T20:49:01.5Z
             */
            started_at: string;
            /**
             * Format: int64
             * @description How long it was allowed to take.
             */
            timeout_ms: number;
            /** @description The working tree before it. */
            tree: string;
            /** @description The working tree after it. */
            tree_after: string;
            /** @description Child tasks were still at work when it ran. */
            unquiet: boolean;
            /**
             * @description Its word.
             * @example passed
             */
            verdict: string;
        };
        /** @description Why something failed. */
        FailureFact: {
            /** @description What was seen. */
            detail: string;
            /** @description Its kind, in snake case. */
            kind: string;
            /** @description When it may be over. */
            retry_at?: string | null;
        };
        /** @description A file of a task or run. */
        FileContent: {
            /**
             * @description What stands in it, or the part that was asked for; bytes that are no UTF-8 are replaced.
             * @example # Done
             */
            content: string;
            /** @description Bytes that are no UTF-8 were replaced. */
            lossy?: boolean;
            /** @description Something in it is a secret of the configuration and was replaced. */
            masked?: boolean;
            /**
             * Format: date-time
             * @description When it was written last.
             * @example 2026-02-23T21:03:10Z
             */
            modified: string;
            /**
             * @description The name that was asked for.
             * @example output.md
             */
            name: string;
            /**
             * Format: int64
             * @description Where the part behind this one begins, in bytes: `content` may be longer or shorter than
             *     what it was made of. Left out where the whole file was sent.
             */
            next_offset?: number;
            /**
             * Format: int64
             * @description Where `content` begins, in bytes; left out at the start of the file.
             */
            offset?: number;
            /**
             * Format: int64
             * @description How large the whole file is, in bytes.
             * @example 7
             */
            size_bytes: number;
            /** @description `content` is not all that follows `offset`. */
            truncated?: boolean;
        };
        /** @description A place in a file where a text stands. */
        FileHit: {
            /**
             * Format: int64
             * @description The place, in bytes from the beginning of the file.
             * @example 4711
             */
            at: number;
            /**
             * @description What stands around it in its line. Bytes that are no UTF-8 and secrets of the configuration are replaced.
             * @example error: not found
             */
            excerpt: string;
        };
        /** @description Where a text stands in a file. */
        FileHits: {
            /** @description The places, in their order. */
            hits: components["schemas"]["FileHit"][];
            /**
             * @description The name of the file.
             * @example stdout
             */
            name: string;
            /**
             * Format: int64
             * @description Where to go on, in bytes; `null` at the end of the file.
             * @example 67108864
             */
            next?: number | null;
            /**
             * Format: int64
             * @description How large the whole file is, in bytes.
             * @example 1073741824
             */
            size_bytes: number;
        };
        /** @description A run and what it hangs on. */
        FlatRun: {
            /**
             * @description The agent; `unknown` where no record says.
             * @example claude
             */
            agent: string;
            /**
             * Format: date-time
             * @description When it ended.
             */
            end_time?: string | null;
            /**
             * Format: int32
             * @description How it ended; -1 while it runs.
             * @example -1
             */
            exit_code: number;
            /**
             * @description Its id.
             * @example 20260223-2048580000-66788-1
             */
            id: string;
            /** @description The run whose agent launched it. */
            parent_run_id?: string | null;
            /** @description The run that it follows. */
            previous_run_id?: string | null;
            /**
             * Format: date-time
             * @description When it began, if that is known.
             * @example 2026-02-23T20:48:58.12Z
             */
            start_time?: string | null;
            /**
             * @description The status that holds now.
             * @example running
             */
            status: string;
            /**
             * @description Its task.
             * @example task-20260223-204858-docs-pass
             */
            task_id: string;
        };
        /** @description The answer of `GET /api/projects/{p}/runs/flat`. */
        FlatRuns: {
            /** @description The runs, by start, then id. */
            runs: components["schemas"]["FlatRun"][];
        };
        /** @description The accounts whose limits were forgotten. */
        Forgotten: {
            /** @description Each of them. */
            cleared: components["schemas"]["ForgottenAccount"][];
        };
        /** @description An account whose limits were forgotten. */
        ForgottenAccount: {
            /**
             * @description The account.
             * @example claude
             */
            account: string;
            /**
             * @description The kind of the agent.
             * @example claude
             */
            agent: string;
            /** @description Where its file is kept, if that was damaged. */
            damaged_copy?: string | null;
        };
        /** @description The answer of `POST /api/projects/{p}/gc`. */
        GcResult: {
            /**
             * @description How many runs were deleted, or would be.
             * @example 3
             */
            deleted_runs: number;
            /**
             * @description Nothing was deleted; it was only asked.
             * @example true
             */
            dry_run: boolean;
            /**
             * Format: int64
             * @description How much room that made, or would, in bytes.
             * @example 10240
             */
            freed_bytes: number;
        };
        /**
         * @description The answer of `GET /api/v1/health`.
         *
         *     Asked without credentials it says no more than `status`: what follows names what a
         *     stranger need not know.
         */
        Health: {
            /** @description What is slower or less than it should be, such as watches that ran out. */
            notes?: string[];
            /**
             * @description `ok`, or `degraded` where something is slower or less than it should be.
             * @example ok
             */
            status: string;
        };
        /** @description How the attempts of an account went. */
        HealthRow: {
            /**
             * @description The account.
             * @example codex
             */
            account: string;
            /**
             * @description The kind of the agent.
             * @example codex
             */
            agent: string;
            /** @description It is left alone where another agent can be used. */
            degraded: boolean;
            /**
             * Format: date-time
             * @description Until when.
             */
            degraded_until?: string | null;
            /**
             * Format: int32
             * @description How many attempts in a row have failed.
             * @example 3
             */
            failures: number;
            /**
             * Format: date-time
             * @description When it did.
             */
            last_at?: string | null;
            /**
             * @description Why the last one did.
             * @example auth
             */
            last_kind?: string | null;
            /** @description The names in the configuration that use the account. */
            names: string[];
        };
        /** @description The answer of `GET /healthz`. */
        Healthz: {
            /**
             * @description `ok`.
             * @example ok
             */
            status: string;
            /**
             * @description How long the server has been up, in whole seconds.
             * @example 12m5s
             */
            uptime: string;
        };
        /** @description The answer of `GET /api/projects/home-dirs`. */
        HomeDirs: {
            /**
             * @description Folders that agents have worked in, sorted; at most 20.
             * @example [
             *       "/srv/a"
             *     ]
             */
            dirs: string[];
        };
        /**
         * @description A message.
         *
         *     Project, task, run and issue are the texts found on the bus: other writers may have
         *     written ids that our parsers refuse.
         */
        Item: {
            /**
             * @description Its text; bytes that are no UTF-8 are replaced.
             * @example tests pass
             */
            body: string;
            /** @description The text is not the one that was posted. */
            edited?: boolean;
            /** @description The issue that it is about. */
            issue_id?: string;
            /** @description Places that it points to. */
            links?: components["schemas"]["Link"][];
            /** @description Further facts, by name. */
            meta?: {
                [key: string]: string;
            };
            /**
             * @description Its id.
             * @example MSG-20260223-191710-184887000-PID67946-0001
             */
            msg_id: string;
            /** @description The messages that it answers or depends on. */
            parents?: components["schemas"]["Parent"][];
            /**
             * @description The project; empty where none is written down.
             * @example p
             */
            project_id?: string;
            /**
             * @description The run.
             * @example 20260223-2048580000-66788-1
             */
            run_id?: string;
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            task_id?: string;
            /**
             * Format: date-time
             * @description When it was made, by its writer's clock.
             * @example 2026-02-23T19:17:10.184887Z
             */
            timestamp: string;
            /** @description The text is not complete. */
            truncated?: boolean;
            /**
             * @description What sort of message it is.
             * @example FACT
             */
            type: string;
        };
        /**
         * @description What is run.
         * @enum {string}
         */
        LaunchKind: "task" | "job" | "resume";
        /** @description Limits and delays of a launch; times are in milliseconds, 0 switches a limit off. */
        LaunchPolicy: {
            /**
             * Format: int64
             * @description How long a task that is done waits for those that its agents have started.
             */
            child_wait_ms?: number | null;
            /**
             * Format: int64
             * @description How often a blocked task looks at those that it waits for.
             */
            dependency_poll_ms?: number | null;
            /** @description Whether a task fails whose dependencies can make no progress. */
            fails_on_deadlock?: boolean | null;
            /** @description Commands that must succeed before `DONE` is believed. */
            gates?: string[];
            /**
             * Format: int64
             * @description How long an agent that is asked to end may take.
             */
            grace_ms?: number | null;
            /**
             * Format: int64
             * @description How long an attempt may be silent.
             */
            idle_timeout_ms?: number | null;
            /**
             * Format: int32
             * @description How many attempts are made.
             */
            max_attempts?: number | null;
            /** @description How much money the task may use, in US dollars, such as `2.50`. */
            max_cost_usd?: string | null;
            /**
             * Format: int64
             * @description How long an attempt may take.
             */
            max_duration_ms?: number | null;
            /**
             * Format: int32
             * @description How often gates may refuse.
             */
            max_gate_failures?: number | null;
            /**
             * Format: int64
             * @description How much an attempt may write.
             */
            max_output_bytes?: number | null;
            /**
             * Format: int64
             * @description How long the task may take in all.
             */
            max_task_duration_ms?: number | null;
            /**
             * Format: int64
             * @description How many tokens the task may use.
             */
            max_tokens?: number | null;
            /** @description `DONE` is refused when nothing has changed. */
            require_change?: boolean;
            /**
             * Format: int64
             * @description The pause between two attempts.
             */
            restart_delay_ms?: number | null;
            /** @description The conversation of the last attempt goes on. */
            resume_session?: boolean;
            /** @description Whether child tasks are stopped when waiting for them ends. */
            stops_children?: boolean | null;
        };
        /** @description That a task is to be run. */
        LaunchRequest: {
            /** @description The configured name of the agent; none lets the configuration choose. */
            agent?: string | null;
            /**
             * @description The folder that agents work in, absolute on the server's machine; none takes the
             *     project's, or that of the last launch.
             */
            cwd?: string | null;
            /** @description The tasks that must be done first; none keeps those that are stored. */
            depends_on?: string[] | null;
            /** @description Variables for the agents; not secret. */
            env: {
                [key: string]: string;
            };
            /** @description Also if it was given up. */
            force: boolean;
            /** @description What is run. */
            kind: components["schemas"]["LaunchKind"];
            /** @description Limits and delays; what is not said is as configured, or as in the last launch. */
            policy: components["schemas"]["LaunchPolicy"];
            /** @description What the agent is to do; none takes what the task was told first. */
            prompt?: string | null;
        };
        /** @description How a task was launched. */
        LaunchShown: {
            /** @description The configured name of the agent, or its kind. */
            agent_name: string;
            /**
             * Format: int32
             * @description How many launches it is away from a person's.
             */
            depth: number;
            /** @description `task` for a restart loop, `job` for a single run. */
            kind: string;
            /** @description The launch. */
            launch_id: string;
            /** @description When. */
            launched_at: string;
            /** @description Where from. */
            origin: string;
        };
        /** @description A launch that was accepted. */
        Launched: {
            /** @description The launch. */
            launch_id: string;
            /** @description The project. */
            project: string;
            /** @description Its place among those that wait for a run slot; none once it is launched. */
            queue_position?: number | null;
            /** @description The task. */
            task: string;
        };
        /** @description What is known of all accounts; `limits --json` and its endpoint. */
        Limits: {
            /** @description The accounts whose attempts failed last. */
            agents: components["schemas"]["HealthRow"][];
            /** @description What could not be read. */
            problems: string[];
            /** @description The usage windows. */
            windows: components["schemas"]["WindowRow"][];
        };
        /** @description A place that a message points to. */
        Link: {
            /**
             * @description What stands there.
             * @example output
             */
            kind?: string;
            /** @description What a reader is shown. */
            label?: string;
            /**
             * @description A URL or a path.
             * @example output.md
             */
            url: string;
        };
        /** @description A link that logs a browser in, once. It is a secret until it is used. */
        LoginLink: {
            /**
             * Format: date-time
             * @description Until when it works.
             */
            expires_at: string;
            /** @description The link. */
            login_url: string;
        };
        /** @description The answer of `GET …/messages`. */
        Messages: {
            /**
             * @description There are more than these that were asked for: earlier ones, or later ones where those
             *     behind a message were asked for without a limit.
             */
            has_more?: boolean;
            /** @description The messages, oldest first. */
            messages: components["schemas"]["Item"][];
        };
        /** @description What a row is about. */
        Node: (components["schemas"]["TaskNode"] & {
            /** @enum {string} */
            kind: "task";
        }) | (components["schemas"]["RunNode"] & {
            /** @enum {string} */
            kind: "run";
        });
        /**
         * @description What became of a task that somebody acted on.
         * @enum {string}
         */
        Outcome: "stopping" | "nothing_running" | "cancelled" | "already_cancelled" | "uncancelled" | "not_cancelled" | "unblocked" | "not_blocked" | "awake";
        /** @description Who runs a task. */
        OwnerShown: {
            /** @description The launch that it serves. */
            launch_id: string;
            /**
             * Format: int32
             * @description Its process.
             */
            pid: number;
            /** @description Since when. */
            since: string;
            /** @description Whether it is alive. */
            state: string;
        };
        /**
         * @description Who looks after the process of a run.
         * @enum {string}
         */
        Ownership: "managed" | "external";
        /** @description A part of a list, counted from its start. */
        Page_Run: {
            /**
             * @description Whether something stands behind it.
             * @example false
             */
            has_more: boolean;
            /** @description The items of this part. */
            items: {
                /**
                 * @description The agent; `unknown` where no record says.
                 * @example claude
                 */
                agent: string;
                /**
                 * @description What the agent says its version is.
                 * @example 2.1.50 (Claude Code)
                 */
                agent_version?: string | null;
                /**
                 * Format: date-time
                 * @description When it ended.
                 */
                end_time?: string | null;
                /** @description Why it failed, in a few words. */
                error_summary?: string | null;
                /**
                 * Format: int32
                 * @description How it ended; -1 while it runs.
                 * @example -1
                 */
                exit_code: number;
                /** @description Its files that are there, unless they were not asked for. */
                files?: components["schemas"]["RunFile"][] | null;
                /**
                 * @description Its id.
                 * @example 20260223-2048580000-66788-1
                 */
                id: string;
                /** @description The run whose agent launched it. */
                parent_run_id?: string | null;
                /**
                 * @description The run that it follows.
                 * @example 20260223-2040000000-66788-1
                 */
                previous_run_id?: string | null;
                process_ownership?: components["schemas"]["Ownership"] | null;
                /**
                 * Format: date-time
                 * @description When it began, if that is known.
                 * @example 2026-02-23T20:48:58.12Z
                 */
                start_time?: string | null;
                /**
                 * @description The status that holds now.
                 * @example running
                 */
                status: string;
            }[];
            /**
             * @description How many were asked for at most.
             * @example 50
             */
            limit: number;
            /**
             * @description How many stand before this part.
             * @example 0
             */
            offset: number;
            /**
             * @description How many there are in all.
             * @example 1
             */
            total: number;
        };
        /** @description A part of a list, counted from its start. */
        Page_TaskItem: {
            /**
             * @description Whether something stands behind it.
             * @example false
             */
            has_more: boolean;
            /** @description The items of this part. */
            items: {
                /** @description Those of them that are not; `null` if there are none. */
                blocked_by?: string[] | null;
                /** @description The tasks that must be done first; `null` if there are none. */
                depends_on?: string[] | null;
                /**
                 * @description The claim to be done stands.
                 * @example false
                 */
                done: boolean;
                /**
                 * @description The task.
                 * @example task-20260223-204858-docs-pass
                 */
                id: string;
                /**
                 * Format: date-time
                 * @description When something happened last, if anything has.
                 * @example 2026-02-23T20:48:58.12Z
                 */
                last_activity?: string | null;
                /**
                 * Format: int32
                 * @description How that run ended; -1 while it runs.
                 * @example -1
                 */
                last_run_exit_code?: number | null;
                /**
                 * Format: int64
                 * @description How much it has written, in bytes.
                 * @example 2048
                 */
                last_run_output_size?: number | null;
                /**
                 * @description The status of the run that counts.
                 * @example running
                 */
                last_run_status?: string | null;
                /**
                 * @description The project.
                 * @example p
                 */
                project_id: string;
                /** @description Its place among those that wait for a run slot, from one. */
                queue_position?: number | null;
                /**
                 * @description How many runs it has.
                 * @example 2
                 */
                run_count: number;
                /**
                 * @description How many of each status.
                 * @example {
                 *       "completed": 1,
                 *       "running": 1
                 *     }
                 */
                run_counts: {
                    [key: string]: number;
                };
                /**
                 * @description The status that holds now.
                 * @example running
                 */
                status: string;
                thread_parent?: components["schemas"]["ThreadParent"] | null;
            }[];
            /**
             * @description How many were asked for at most.
             * @example 50
             */
            limit: number;
            /**
             * @description How many stand before this part.
             * @example 0
             */
            offset: number;
            /**
             * @description How many there are in all.
             * @example 1
             */
            total: number;
        };
        /**
         * @description A message that another one refers to.
         *
         *     Read from an id alone and from capitalised keys as well, as older servers send them.
         */
        Parent: {
            /**
             * @description How the two are related.
             * @example answers
             */
            kind?: string;
            /** @description Further facts about the relation. */
            meta?: {
                [key: string]: string;
            };
            /**
             * @description The id of that message.
             * @example MSG-20260223-191500-000000001-PID01234-0001
             */
            msg_id: string;
        };
        /** @description The task and run that launched another one. */
        ParentRef: {
            /** @description The project. */
            project_id: string;
            /** @description The run. */
            run_id: string;
            /** @description The task. */
            task_id: string;
        };
        /**
         * @description Why a row stands where it stands.
         * @enum {string}
         */
        Place: "root" | "child" | "thread" | "run" | "launched" | "replaced";
        /** @description The body of `POST /api/projects/{p}/messages` and `…/tasks/{t}/messages`. */
        Post: {
            /**
             * @description Its text.
             * @example tests pass
             */
            body?: string;
            /** @description Places that it points to. */
            links?: components["schemas"]["Link"][];
            /** @description Further facts, by name. */
            meta?: {
                [key: string]: string;
            };
            /** @description The messages that it answers or depends on. */
            parents?: components["schemas"]["Parent"][];
            /** @description The run that it is about. */
            run_id?: string | null;
            /**
             * @description What sort of message it is; `USER` unless given.
             * @example FACT
             */
            type?: string | null;
        };
        /** @description The body of `POST /api/v1/messages`. */
        PostTo: {
            /**
             * @description Its text.
             * @example Leave the schema alone.
             */
            body?: string;
            /** @description Places that it points to. */
            links?: components["schemas"]["Link"][];
            /** @description Further facts, by name. */
            meta?: {
                [key: string]: string;
            };
            /** @description The messages that it answers or depends on. */
            parents?: components["schemas"]["Parent"][];
            /**
             * @description The project, which must be there.
             * @example p
             */
            project_id: string;
            /** @description The run that it is about. */
            run_id?: string | null;
            /**
             * @description The task on whose bus it goes; the project's own unless given.
             * @example task-20260223-204858-docs-pass
             */
            task_id?: string | null;
            /**
             * @description What sort of message it is; `USER` unless given.
             * @example USER
             */
            type?: string | null;
        };
        /** @description The answer to a message that was posted; it is on disk then. */
        Posted: {
            /**
             * @description The id it was given.
             * @example MSG-20260223-211000-000000001-PID00700-0001
             */
            msg_id: string;
            /**
             * Format: date-time
             * @description When it was made.
             * @example 2026-02-23T21:10:00.000000001Z
             */
            timestamp: string;
        };
        /**
         * @description The body of every answer that refuses: `{"error":{"code","message","hint"},"message"}`.
         *
         *     The message stands twice because older clients look for it at the top.
         */
        Problem: {
            /** @description What happened. */
            error: components["schemas"]["Detail"];
            /** @description The message again. */
            message: string;
        };
        /**
         * @description The kind of a problem; each has one HTTP status.
         * @enum {string}
         */
        ProblemCode: "BAD_REQUEST" | "UNAUTHORIZED" | "FORBIDDEN" | "NOT_FOUND" | "METHOD_NOT_ALLOWED" | "CONFLICT" | "PAYLOAD_TOO_LARGE" | "UNSUPPORTED_MEDIA_TYPE" | "TOO_MANY_REQUESTS" | "INTERNAL" | "UNAVAILABLE";
        /** @description A process that runs already and is to be taken in as a run. */
        ProcessImport: {
            /** @description How it was started. */
            commandline?: string | null;
            ownership?: components["schemas"]["Ownership"] | null;
            /**
             * Format: int32
             * @description Its process group.
             */
            pgid?: number | null;
            /**
             * Format: int32
             * @description The process.
             * @example 4711
             */
            pid: number;
            /** @description Where its standard error goes. */
            stderr_path?: string | null;
            /**
             * @description Where its standard output goes; at least one of the two paths is needed.
             * @example /srv/work/p/build.log
             */
            stdout_path?: string | null;
        };
        /** @description One process of a task. */
        ProcessRow: {
            /** @description Whether its own parent has died and the supervisor is the parent now. */
            adopted: boolean;
            /**
             * Format: int64
             * @description Its age.
             * @example 12
             */
            age_seconds: number;
            /**
             * @description Its command line without secrets, cut; empty if it may not be read.
             * @example claude --print
             */
            command: string;
            /**
             * Format: int64
             * @description Processor time.
             */
            cpu_ms: number;
            /**
             * Format: double
             * @description Processor time as a part of the age, in percent of one processor.
             */
            cpu_percent: number;
            /** @description How many of its ancestors are in the list. */
            level: number;
            /**
             * @description Name of its executable, cut by the kernel.
             * @example claude
             */
            name: string;
            /** @description What is wrong with it. */
            note?: string | null;
            /**
             * @description Whether the task's owner is alive, lost or none.
             * @example alive
             */
            owner: string;
            /**
             * Format: int32
             * @description Its parent.
             */
            parent_pid: number;
            /**
             * Format: int32
             * @description Its id.
             * @example 4711
             */
            pid: number;
            /**
             * @description The project.
             * @example p
             */
            project: string;
            /**
             * @description What it is: `supervisor`, `agent`, `gate`, `descendant`.
             * @example agent
             */
            role: string;
            /**
             * Format: int64
             * @description Resident memory.
             */
            rss_bytes: number;
            /** @description The run; none for supervisors. */
            run?: string | null;
            /**
             * @description What it does: `running`, `sleeping`, `blocked`, `stopped`, `other`.
             * @example sleeping
             */
            state: string;
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            task: string;
        };
        /** @description Sums over processes. */
        ProcessTotals: {
            /**
             * Format: int64
             * @description Processor time.
             */
            cpu_ms: number;
            /**
             * @description How many there are.
             * @example 3
             */
            processes: number;
            /**
             * Format: int64
             * @description Resident memory.
             */
            rss_bytes: number;
            /**
             * @description How many tasks they belong to.
             * @example 1
             */
            tasks: number;
        };
        /** @description The processes of tasks; `ps --json` and its endpoint. */
        Processes: {
            /** @description The processes, each task's together, supervisors first and everything behind its parent. */
            processes: components["schemas"]["ProcessRow"][];
            /** @description The tasks that have processes. */
            tasks: components["schemas"]["ps.TaskActivity"][];
            /** @description Their sums. */
            totals: components["schemas"]["ProcessTotals"];
        };
        /** @description A project. */
        Project: {
            /**
             * @description Its id.
             * @example p
             */
            id: string;
            /**
             * Format: date-time
             * @description When something happened last, if anything has.
             * @example 2026-02-23T20:48:58.12Z
             */
            last_activity?: string | null;
            /**
             * @description The folder that its agents work in, if it is known.
             * @example /srv/work/p
             */
            project_root?: string | null;
            /**
             * @description How many tasks it has.
             * @example 1
             */
            task_count: number;
        };
        /** @description The body of `POST /api/projects`. */
        ProjectCreate: {
            /**
             * @description Its id; checked strictly by whoever makes it.
             * @example q
             */
            project_id: string;
            /**
             * @description The folder that its agents work in: absolute, or `~/…`.
             * @example ~/q
             */
            project_root?: string;
        };
        /** @description The answer of `DELETE /api/projects/{p}`. */
        ProjectDeleted: {
            /**
             * @description How many tasks went with it.
             * @example 1
             */
            deleted_tasks: number;
            /**
             * Format: int64
             * @description How much room that made, in bytes.
             * @example 20480
             */
            freed_bytes: number;
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
        };
        /** @description The projects there are. */
        ProjectNames: {
            /** @description Those that only folders of the old layout know. */
            legacy_projects: string[];
            /** @description What could not be read. */
            problems: string[];
            /** @description All of them, in order. */
            projects: string[];
        };
        /** @description The answer of `GET /api/projects/{p}/stats`. */
        ProjectStats: {
            /**
             * @description Those that ended well.
             * @example 1
             */
            completed_runs: number;
            /**
             * @description Those of any other status.
             * @example 0
             */
            crashed_runs: number;
            /**
             * @description Those that ended badly.
             * @example 0
             */
            failed_runs: number;
            /**
             * @description How many bus files there are, archives not counted.
             * @example 2
             */
            message_bus_files: number;
            /**
             * Format: int64
             * @description How large they are together.
             * @example 5120
             */
            message_bus_total_bytes: number;
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
            /**
             * @description Those that have not ended.
             * @example 1
             */
            running_runs: number;
            /**
             * @description How many runs.
             * @example 2
             */
            total_runs: number;
            /**
             * @description How many tasks it has.
             * @example 1
             */
            total_tasks: number;
        };
        /**
         * @description What the root tasks of a project make of it.
         * @enum {string}
         */
        ProjectStatus: "running" | "queued" | "idle";
        /** @description The answer of `GET /api/projects`. */
        Projects: {
            /** @description The projects, those where something happened last first. */
            projects: components["schemas"]["Project"][];
        };
        /** @description Whether a server knows everything and does all its work. */
        Readiness: {
            /**
             * @description It has read everything below the root once.
             * @example true
             */
            index_built: boolean;
            /**
             * @description It learns of changes by looking again and again: the system has no more watches.
             * @example false
             */
            polling: boolean;
            /** @description What is slower or less than it should be, and what could not be read. */
            problems: string[];
            /**
             * @description It changes nothing.
             * @example false
             */
            read_only: boolean;
            /**
             * @description It has taken up the tasks that had lost their supervisors; never where it changes nothing.
             * @example true
             */
            recovered: boolean;
            /**
             * @description How many submissions wait to be launched.
             * @example 0
             */
            waiting: number;
        };
        /** @description How a launch ended. */
        ResultFact: {
            /** @description When it ended. */
            ended_at: string;
            /**
             * Format: int32
             * @description The exit code of the command that waited for it.
             */
            exit_code: number;
            failure?: components["schemas"]["FailureFact"] | null;
            /** @description The child tasks that were still active then. */
            left_children: string[];
            /** @description `completed`, `failed` or `stopped`. */
            status: string;
        };
        /** @description The body of `POST /api/projects/{p}/tasks/{t}/resume`; may be left out. */
        Resume: {
            /** @description Start the task as well; otherwise only its claim to be done is taken back. */
            start?: boolean;
        };
        /** @description The answer of `POST /api/projects/{p}/tasks/{t}/resume`. */
        Resumed: {
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
            /**
             * @description Its claim to be done was taken back.
             * @example true
             */
            resumed: boolean;
            /** @description It was started as well; left out if not. */
            started?: boolean;
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            task_id: string;
        };
        /** @description A row of the tree. */
        Row: components["schemas"]["Node"] & {
            /**
             * @description Something below it is active.
             * @example false
             */
            active_below: boolean;
            /**
             * @description How many rows are below it; they follow directly.
             * @example 3
             */
            below: number;
            /**
             * @description The id of the task or run; each stands in one row only.
             * @example task-20260223-204858-docs-pass
             */
            key: string;
            /**
             * @description What people are shown: the id without what all ids have.
             * @example docs-pass
             */
            label: string;
            /**
             * @description How many rows stand above it, one within the other.
             * @example 0
             */
            level: number;
            /** @description The place in `rows` of the one directly above; `null` at the top. */
            parent?: number | null;
            /** @description Why it stands where it stands. */
            place: components["schemas"]["Place"];
        };
        /** @description A run. */
        Run: {
            /**
             * @description The agent; `unknown` where no record says.
             * @example claude
             */
            agent: string;
            /**
             * @description What the agent says its version is.
             * @example 2.1.50 (Claude Code)
             */
            agent_version?: string | null;
            /**
             * Format: date-time
             * @description When it ended.
             */
            end_time?: string | null;
            /** @description Why it failed, in a few words. */
            error_summary?: string | null;
            /**
             * Format: int32
             * @description How it ended; -1 while it runs.
             * @example -1
             */
            exit_code: number;
            /** @description Its files that are there, unless they were not asked for. */
            files?: components["schemas"]["RunFile"][] | null;
            /**
             * @description Its id.
             * @example 20260223-2048580000-66788-1
             */
            id: string;
            /** @description The run whose agent launched it. */
            parent_run_id?: string | null;
            /**
             * @description The run that it follows.
             * @example 20260223-2040000000-66788-1
             */
            previous_run_id?: string | null;
            process_ownership?: components["schemas"]["Ownership"] | null;
            /**
             * Format: date-time
             * @description When it began, if that is known.
             * @example 2026-02-23T20:48:58.12Z
             */
            start_time?: string | null;
            /**
             * @description The status that holds now.
             * @example running
             */
            status: string;
        };
        /** @description A file of a run. */
        RunFile: {
            /**
             * @description What people are shown.
             * @example output
             */
            label: string;
            /**
             * @description The name to ask for.
             * @example output.md
             */
            name: string;
            /**
             * Format: int64
             * @description How large it is, in bytes; left out if empty.
             * @example 2048
             */
            size?: number;
        };
        /** @description The runs of a task, oldest first. */
        RunListing: {
            /** @description What of them could not be read. */
            problems: string[];
            /** @description The runs. */
            runs: components["schemas"]["RunRow"][];
        };
        /** @description A run of the tree. */
        RunNode: {
            /**
             * @description The agent.
             * @example claude
             */
            agent?: string | null;
            /**
             * Format: int32
             * @description Which attempt of the launch it is.
             * @example 2
             */
            attempt?: number | null;
            /**
             * Format: date-time
             * @description When it ended.
             */
            ended?: string | null;
            /**
             * Format: int32
             * @description How it ended.
             */
            exit_code?: number | null;
            /** @description Why it failed. */
            failure?: string | null;
            /** @description The run whose agent launched it. */
            parent_run_id?: string | null;
            /**
             * @description How far it has come while it runs.
             * @example running
             */
            phase?: string | null;
            /**
             * @description The run that it follows.
             * @example 20260223-2040000000-66788-1
             */
            previous_run_id?: string | null;
            /** @description What it is for within a series of runs. */
            role?: string | null;
            /**
             * @description The run.
             * @example 20260223-2048580000-66788-1
             */
            run_id: string;
            /**
             * Format: date-time
             * @description When it began.
             * @example 2026-02-23T20:48:58.12Z
             */
            started?: string | null;
            /**
             * @description The status that holds now.
             * @example running
             */
            status: string;
            /**
             * @description Its task.
             * @example task-20260223-204858-docs-pass
             */
            task_id: string;
        };
        /** @description A run as this family shows it. */
        RunResponse: {
            /**
             * @description What the agent says its version is.
             * @example 2.1.50 (Claude Code)
             */
            agent_version?: string | null;
            /**
             * Format: date-time
             * @description When it ended; the zero time as long as it has not.
             * @example 0001-01-01T00:00:00Z
             */
            end_time?: string;
            /** @description Why it failed, in a few words. */
            error_summary?: string | null;
            /**
             * Format: int32
             * @description How it ended; -1 while it runs, left out if 0.
             * @example -1
             */
            exit_code?: number;
            process_ownership?: components["schemas"]["Ownership"] | null;
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
            /**
             * @description The run.
             * @example 20260223-2048580000-66788-1
             */
            run_id: string;
            /**
             * Format: date-time
             * @description When it began; the zero time if that is not known.
             * @example 2026-02-23T20:48:58.12Z
             */
            start_time?: string;
            /**
             * @description The status that holds now.
             * @example running
             */
            status: string;
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            task_id: string;
        };
        /** @description One run as it is shown; also its one JSON form. */
        RunRow: {
            /** @description The configured name of the agent, or its kind. */
            agent?: string | null;
            /** @description What the agent says its version is. */
            agent_version?: string | null;
            /**
             * Format: int32
             * @description Which attempt of the launch it is.
             */
            attempt?: number | null;
            /**
             * Format: int32
             * @description How many launches it is away from a person's.
             */
            depth?: number | null;
            /**
             * Format: int64
             * @description In seconds; up to now while it runs.
             */
            duration?: number | null;
            /** @description When it ended. */
            ended?: string | null;
            /**
             * Format: int32
             * @description How it ended.
             */
            exit_code?: number | null;
            failure?: components["schemas"]["FailureFact"] | null;
            /**
             * Format: int32
             * @description Which round or stage of the series it belongs to.
             */
            iteration?: number | null;
            /** @description Of the old flat layout, and only read. */
            legacy: boolean;
            /** @description The model. */
            model?: string | null;
            /** @description The run whose agent launched it. */
            parent_run_id?: string | null;
            /** @description Its folder. */
            path: string;
            /** @description How far it has come while it runs: `starting`, `queued`, `preparing`, `running`, `finalizing`. */
            phase?: string | null;
            /**
             * Format: int32
             * @description The agent's process.
             */
            pid?: number | null;
            /** @description Whether it is alive. */
            pid_alive: boolean;
            /** @description The run that it follows. */
            previous_run_id?: string | null;
            /** @description Why its record could not be read. */
            problem?: string | null;
            /** @description What it is for within a series of runs. */
            role?: string | null;
            /** @description The run. */
            run_id: string;
            /** @description The session of the agent, which a later run may go on with. */
            session_id?: string | null;
            /** @description When it began. */
            started?: string | null;
            /** @description The status that holds now. */
            status: string;
            /** @description There is no readable record: all but id and place is made up. */
            synthetic: boolean;
            usage?: components["schemas"]["UsageFact"] | null;
        };
        /** @description The answer of `POST /api/projects/{p}/tasks/{t}/runs/{r}/stop`. */
        RunStopping: {
            /**
             * @description What was done.
             * @example SIGTERM sent
             */
            message: string;
            /**
             * @description The run.
             * @example 20260223-2048580000-66788-1
             */
            run_id: string;
        };
        /** @description A run that has not ended. */
        RunningTask: {
            /**
             * @description The agent.
             * @example codex
             */
            agent: string;
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
            /**
             * @description The run.
             * @example 20260223-2048580000-66788-1
             */
            run_id: string;
            /**
             * Format: date-time
             * @description When it began; the zero time if that is not known.
             * @example 2026-02-23T20:00:00Z
             */
            started?: string;
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            task_id: string;
        };
        /** @description The answer of `GET /api/v1/runs`. */
        Runs: {
            /** @description The runs of all projects, by id. */
            runs: components["schemas"]["RunResponse"][];
        };
        /** @description The body of `POST /api/v1/admin/self-update`. */
        SelfUpdate: {
            /**
             * @description The new program, as a path on the server's machine.
             * @example /opt/x/conductor
             */
            binary_path?: string;
            /** @description Its SHA-256, in hexadecimal digits. */
            sha256?: string | null;
        };
        /**
         * @description How far a self-update has come.
         * @enum {string}
         */
        SelfUpdateState: "idle" | "deferred" | "applying" | "failed";
        /** @description The answer of `GET` and `POST /api/v1/admin/self-update`. */
        SelfUpdateStatus: {
            /**
             * Format: int64
             * @description How many root runs there were when it was asked for.
             * @example 2
             */
            active_runs_at_request?: number | null;
            /** @description Why that is not known. */
            active_runs_error?: string | null;
            /**
             * Format: int64
             * @description How many there are now; -1 if that is not known.
             * @example 2
             */
            active_runs_now: number;
            /**
             * @description The new program.
             * @example /opt/x/conductor
             */
            binary_path?: string | null;
            /**
             * Format: date-time
             * @description When it ended; the zero time if it has not.
             * @example 0001-01-01T00:00:00Z
             */
            finished_at?: string;
            /** @description Why the last one failed. */
            last_error?: string | null;
            /** @description What else is to be said of the last one. */
            last_note?: string | null;
            /**
             * Format: date-time
             * @description When it was asked for; the zero time if it never was.
             * @example 2026-02-23T21:00:00Z
             */
            requested_at?: string;
            /**
             * Format: date-time
             * @description When it began; the zero time if it has not.
             * @example 0001-01-01T00:00:00Z
             */
            started_at?: string;
            /** @description How far it has come. */
            state: components["schemas"]["SelfUpdateState"];
        };
        /** @description Where a task stands. */
        StateShown: {
            /** @description The agent that goes on with the launch, where it is another. */
            agent?: string | null;
            /** @description How often agents were started. */
            attempts: Record<string, never>;
            /**
             * Format: int32
             * @description How often a gate refused.
             */
            gate_failures: number;
            /** @description The gate that refused last. */
            last_gate: string;
            /** @description The launch that this is about. */
            launch_id: string;
            /** @description The usage limit that it waits for. */
            limit?: Record<string, never> | null;
            result?: components["schemas"]["ResultFact"] | null;
            /** @description A person's wish to stop. */
            stop?: Record<string, never> | null;
            /** @description What it waits for. */
            waiting_for?: string | null;
            /** @description Until when. */
            wake_at?: string | null;
        };
        /** @description The answer of `GET /api/v1/status`. */
        Status: {
            /**
             * @description How many runs have not ended.
             * @example 1
             */
            active_runs_count: number;
            /** @description The names of the agents in the configuration, sorted. */
            configured_agents: string[];
            /**
             * Format: int32
             * @description How many runs without a parent may run at once; left out where there is no limit.
             * @example 4
             */
            max_concurrent_runs?: number | null;
            readiness?: components["schemas"]["Readiness"] | null;
            /** @description What runs, oldest first. */
            running_tasks: components["schemas"]["RunningTask"][];
            /**
             * Format: double
             * @description For how long the server has been up.
             * @example 123.4
             */
            uptime_seconds: number;
            /**
             * @description The version of the server.
             * @example 0.76.0
             */
            version: string;
        };
        /** @description The answer to a wish to stop a task. */
        StopAnswer: {
            /** @description How many processes were ended where no supervisor did it. */
            ended: number;
            /** @description What would start the task was told to leave it alone. */
            is_marked: boolean;
            /** @description None of the runs that were named is active. */
            is_other_run: boolean;
            /** @description How many child tasks are still active. */
            left_children: number;
            /** @description Whether a supervisor had died, where there was none to ask. */
            owner?: string | null;
            /** @description What happened. */
            stopped: components["schemas"]["TaskStopped"];
        };
        /**
         * @description How stopping a task went.
         * @enum {string}
         */
        StopOutcome: "nothing_running" | "stopped" | "children_stopped" | "ended_deleted" | "ended_lost" | "still_running";
        /** @description How a task is to be stopped. */
        StopRequest: {
            /**
             * Format: int64
             * @description How long agents may take to end before they are killed, in milliseconds.
             */
            grace_ms: number;
            /** @description Whether agents that do not end are killed. */
            kills: boolean;
            /** @description Only if one of these runs is active; whichever is if there are none. */
            runs: string[];
            /** @description What the monitor does meanwhile. */
            suppression: components["schemas"]["Suppression"];
        };
        /** @description The answer of `DELETE /api/v1/tasks/{task_id}`, which cancels. */
        Stopped: {
            /**
             * @description How many runs were asked to stop.
             * @example 1
             */
            stopped_runs: number;
        };
        /** @description The answer of `POST /api/v1/runs/{run_id}/stop`. */
        Stopping: {
            /**
             * @description `stopping`.
             * @example stopping
             */
            status: string;
        };
        /** @description An event of a stream. */
        StreamEvent: {
            /** @description What it says. */
            data: string;
            /** @description Its name; `message` if it has none. Not written if it is empty or holds a line end. */
            event?: string | null;
            /**
             * @description Where in the stream it stands; resuming begins behind it.
             *
             *     Not written if it holds a line end or NUL: no place is better than a wrong one.
             */
            id?: string | null;
        };
        /** @description How long the monitor leaves a stopped task alone. */
        Suppression: "configured" | {
            /**
             * Format: int64
             * @description For so many milliseconds.
             */
            for_ms: number;
        } | "for_good";
        /** @description A task as this family shows it. */
        Task: {
            /** @description Those of them that are not. */
            blocked_by?: string[];
            /** @description The tasks that must be done first. */
            depends_on?: string[];
            /**
             * Format: date-time
             * @description When something happened last; the zero time if that is not known.
             * @example 2026-02-23T20:48:58.12Z
             */
            last_activity?: string;
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
            /** @description Its place among those that wait for a run slot, from one. */
            queue_position?: number | null;
            /** @description Its runs, by id; only where one task was asked for and has some. */
            runs?: components["schemas"]["RunResponse"][];
            /**
             * @description The status that holds now.
             * @example running
             */
            status: string;
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            task_id: string;
        };
        /** @description The answer of `POST /api/projects/{p}/tasks/{t}/{stop,cancel,uncancel,unblock,wake}`. */
        TaskActed: {
            /** @description What became of it. */
            outcome: components["schemas"]["Outcome"];
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
            /** @description The runs that are being stopped. */
            runs: string[];
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            task_id: string;
            /** @description The dependencies that no longer count. */
            unblocked: string[];
        };
        /** @description What a task is doing. */
        TaskActivity: {
            /** @description What it is doing, and when it last said something that matters. */
            activity: Record<string, never>;
            /** @description The project. */
            project_id: string;
            /** @description The task. */
            task_id: string;
        };
        /** @description A task that was given up. */
        TaskCancelled: {
            /** @description When it was given up first. */
            cancelled_at: string;
            /** @description `cancelled` or `already_cancelled`. */
            outcome: string;
            /** @description The project. */
            project: string;
            /** @description Why. */
            reason: string;
            /** @description Whether there was anything to end. */
            stopped: boolean;
            /** @description The task that counts in its place. */
            superseded_by?: string | null;
            /** @description The task. */
            task: string;
        };
        /** @description A task to which something was done. */
        TaskChanged: {
            /** @description What, in a word. */
            outcome: string;
            /** @description The project. */
            project: string;
            /** @description The task. */
            task: string;
        };
        /**
         * @description The body of `POST /api/v1/tasks`.
         *
         *     Ids are read as they may stand on disk; whoever makes a task checks them strictly.
         */
        TaskCreate: {
            /**
             * @description The configured name of an agent, or its kind.
             * @example claude
             */
            agent_type?: string;
            attach_mode?: components["schemas"]["AttachMode"] | null;
            /** @description Further variables for the agent's environment. */
            config?: {
                [key: string]: string;
            } | null;
            /** @description The tasks that must be done first: `null` keeps what stands, a list replaces it. */
            depends_on?: string[] | null;
            policy?: components["schemas"]["LaunchPolicy"] | null;
            process_import?: components["schemas"]["ProcessImport"] | null;
            /**
             * @description The project; made if it is not there.
             * @example p
             */
            project_id: string;
            /**
             * @description The agent's working folder: absolute, or `~/…`.
             * @example /srv/work/p
             */
            project_root?: string | null;
            /**
             * @description What is to be done; its bytes are kept.
             * @example Answer the question of the audit.
             */
            prompt?: string;
            /**
             * @description The task.
             * @example task-20260223-211000-answer
             */
            task_id: string;
            /**
             * @description As what it answers; `USER_REQUEST`, and only together with `thread_parent`.
             * @example USER_REQUEST
             */
            thread_message_type?: string | null;
            thread_parent?: components["schemas"]["v1.ThreadParent"] | null;
        };
        /** @description The answer of `POST /api/v1/tasks`. */
        TaskCreated: {
            /** @description The tasks that must be done first. */
            depends_on?: string[];
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
            /** @description Its place among those that wait for a run slot, from one. */
            queue_position?: number | null;
            /**
             * @description Its first run, once that has an id.
             * @example 20260223-2110000000-700-1
             */
            run_id?: string | null;
            /** @description Whether it was started. */
            status: components["schemas"]["Admission"];
            /**
             * @description The task.
             * @example task-20260223-211000-answer
             */
            task_id: string;
        };
        /** @description A task that was deleted. */
        TaskDeleted: {
            /** @description Tasks that wait for it. */
            dependents: string[];
            /** @description What is left of its folder, which nobody sees. */
            leftover?: string | null;
            /** @description Its folder. */
            path: string;
            /** @description The project. */
            project: string;
            /**
             * Format: int64
             * @description How large it was.
             */
            size_bytes: number;
            /** @description What was stopped for it. */
            stopped: string[];
            /** @description The task. */
            task: string;
        };
        /** @description The answer of `GET /api/projects/{p}/tasks/{t}`. */
        TaskDetail: {
            /** @description Those of them that are not. */
            blocked_by?: string[];
            /**
             * Format: date-time
             * @description When it was made, if that is known.
             * @example 2026-02-23T20:40:00Z
             */
            created_at?: string | null;
            /** @description The tasks that must be done first. */
            depends_on?: string[];
            /**
             * @description The claim to be done stands.
             * @example false
             */
            done: boolean;
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            id: string;
            /**
             * Format: date-time
             * @description When something happened last, if anything has.
             * @example 2026-02-23T20:48:58.12Z
             */
            last_activity?: string | null;
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
            /** @description Its place among those that wait for a run slot, from one. */
            queue_position?: number | null;
            /** @description Its runs, by start. */
            runs: components["schemas"]["Run"][];
            /** @description Whether anything goes on. */
            state: components["schemas"]["TaskState"];
            /**
             * @description The status that holds now.
             * @example running
             */
            status: string;
            thread_parent?: components["schemas"]["ThreadParent"] | null;
        };
        /** @description The evidence of a task: what the gates found of its claims to be done. */
        TaskEvidence: {
            claim?: components["schemas"]["ClaimFact"] | null;
            /** @description Each piece, oldest first. */
            evidence: components["schemas"]["EvidenceRow"][];
            /** @description What could not be read. */
            problems: string[];
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            task_id: string;
        };
        /** @description Many tasks, shown together; also their one JSON form. */
        TaskListing: {
            /** @description Every task is finished or given up. */
            all_finished: boolean;
            /** @description How many tasks there are of each status. */
            counts: {
                [key: string]: number;
            };
            /** @description Everything that could not be read. */
            problems: string[];
            /** @description The tasks, in the order of their project and id. */
            tasks: components["schemas"]["TaskRow"][];
        };
        /** @description A task of the tree. */
        TaskNode: {
            /**
             * @description An owner, an agent or a child is alive.
             * @example true
             */
            active: boolean;
            /**
             * @description The agent of the run that counts.
             * @example claude
             */
            agent?: string | null;
            /** @description The tasks that must be done first and are not. */
            blocked_by: string[];
            /**
             * @description The claim to be done stands.
             * @example false
             */
            done: boolean;
            /**
             * Format: date-time
             * @description When that ended.
             */
            ended?: string | null;
            /** @description Why it failed last. */
            failure?: string | null;
            /**
             * Format: date-time
             * @description When something happened last; what tasks are ordered by.
             * @example 2026-02-23T20:48:58.12Z
             */
            last_activity?: string | null;
            /**
             * @description The run that counts.
             * @example 20260223-2048580000-66788-1
             */
            latest_run?: string | null;
            launched_by?: components["schemas"]["ParentRef"] | null;
            /**
             * @description There is no such task here; it is shown because others stand below it.
             * @example false
             */
            missing: boolean;
            only_run?: components["schemas"]["RunNode"] | null;
            /** @description What of its files could not be read. */
            problems: string[];
            /** @description Its place among those that wait for a run slot, from one. */
            queue_position?: number | null;
            /**
             * @description How many of them follow another one.
             * @example 1
             */
            restarts: number;
            /**
             * @description How many runs it has.
             * @example 2
             */
            runs: number;
            /**
             * Format: date-time
             * @description When that began.
             * @example 2026-02-23T20:48:58.12Z
             */
            started?: string | null;
            /**
             * @description The status that holds now.
             * @example running
             */
            status: string;
            /**
             * @description It is done, but nothing was seen of any work.
             * @example false
             */
            suspicious: boolean;
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            task_id: string;
            thread_parent?: components["schemas"]["ThreadParent"] | null;
            /** @description What its owner waits for: a slot, children, a limit, a delay. */
            waiting_for?: string | null;
            /**
             * Format: date-time
             * @description Until when it waits.
             */
            wake_at?: string | null;
        };
        /** @description The answer of `GET /api/projects/{p}/tasks`. */
        TaskPage: components["schemas"]["Page_TaskItem"] | components["schemas"]["CursorPage_TaskItem"];
        /** @description One task as it is shown; also its one JSON form. */
        TaskRow: {
            /** @description An owner, an agent or a child is alive. */
            active: boolean;
            /** @description The configured name of the agent, or its kind. */
            agent?: string | null;
            /**
             * Format: int32
             * @description Attempts of the present launch.
             */
            attempts?: number | null;
            /** @description Those of them that are not. */
            blocked_by: string[];
            /** @description What its agents launched. */
            children: components["schemas"]["ChildRef"][];
            claim?: components["schemas"]["ClaimFact"] | null;
            /** @description The way to what keeps it from ever beginning; empty if it may begin by itself. */
            deadlocked_by: string[];
            /** @description The tasks that must be done first. */
            depends_on: string[];
            /** @description The claim to be done stands. */
            done: boolean;
            /**
             * Format: int32
             * @description How the run that counts ended; none while it runs.
             */
            exit_code?: number | null;
            failure?: components["schemas"]["FailureFact"] | null;
            /** @description It lost its owner, and `recover` goes on with it. */
            goes_on?: boolean;
            /** @description `task` for a restart loop, `job` for a single run. */
            kind?: string | null;
            /** @description When something happened last. */
            last_activity?: string | null;
            /** @description The run that counts. */
            latest_run?: string | null;
            /** @description The status of that run. */
            latest_status?: string | null;
            /** @description Of the old flat layout, and only read. */
            legacy: boolean;
            /** @description Whether somebody runs it. */
            owner: string;
            parent?: components["schemas"]["ParentRef"] | null;
            /** @description Whether the process of the run that counts is alive. */
            pid_alive?: boolean | null;
            /** @description What of its files could not be read. */
            problems: string[];
            /** @description The project. */
            project_id: string;
            /** @description Its place among those that wait for a run slot, from one. */
            queue_position?: number | null;
            /** @description How many runs there are. */
            runs: number;
            /** @description The status that holds now. */
            status: string;
            /** @description It is done, but nothing was seen of any work. */
            suspicious: boolean;
            /** @description The task. */
            task_id: string;
            /** @description What its owner waits for: a slot, children, a limit, a delay. */
            waiting_for?: string | null;
            /** @description Until when it waits. */
            wake_at?: string | null;
        };
        /** @description Everything about one task. */
        TaskShown: {
            /** @description What it is doing, and when it last said something that matters. */
            activity?: Record<string, never> | null;
            cancelled?: components["schemas"]["CancellationShown"] | null;
            /** @description `DONE` is there and no regular file, so that it does not count. */
            done_is_no_file: boolean;
            launch?: components["schemas"]["LaunchShown"] | null;
            /** @description Which markers are there. */
            markers: {
                [key: string]: boolean;
            };
            owner?: components["schemas"]["OwnerShown"] | null;
            /** @description Its folder, on the machine that answers. */
            path: string;
            /** @description What of its files could not be read. */
            problems: string[];
            /** @description Its runs, oldest first. */
            runs: components["schemas"]["RunRow"][];
            state?: components["schemas"]["StateShown"] | null;
            /** @description The task as listings show it. */
            task: components["schemas"]["TaskRow"];
        };
        /** @description A task that can be started again. */
        TaskStartable: {
            /** @description The markers that were taken away. */
            cleared: string[];
            /** @description `startable`. */
            outcome: string;
            /** @description The project. */
            project: string;
            /** @description The task. */
            task: string;
        };
        /**
         * @description Whether anything goes on with a task.
         * @enum {string}
         */
        TaskState: "idle" | "running" | "done" | "blocked" | "queued";
        /** @description What became of a wish to stop a task. */
        TaskStopped: {
            /** @description How many child tasks were stopped. */
            children: number;
            /** @description What happened, in a word. */
            outcome: components["schemas"]["StopOutcome"];
            /** @description The project. */
            project: string;
            /** @description The runs that were active. */
            runs: string[];
            /**
             * Format: int32
             * @description How many processes are left.
             */
            survivors: number;
            /** @description The task. */
            task: string;
        };
        /** @description A task whose dependencies were lifted. */
        TaskUnblocked: {
            /** @description The tasks that it depends on. */
            depends_on: string[];
            /** @description Those of them that still count. */
            gating: string[];
            /** @description The project. */
            project: string;
            /** @description The task. */
            task: string;
            /** @description Those that count no more since now. */
            unblocked: string[];
        };
        /** @description The answer of `GET /api/v1/tasks`. */
        Tasks: {
            /** @description The tasks, without their runs. */
            tasks: components["schemas"]["Task"][];
        };
        /** @description The message that a task answers. */
        ThreadParent: {
            /**
             * @description The message.
             * @example MSG-20260223-200130-000000001-PID00500-0003
             */
            message_id: string;
            /**
             * @description Its type.
             * @example QUESTION
             */
            message_type?: string | null;
            /**
             * @description The project of the message.
             * @example p
             */
            project_id: string;
            /**
             * @description The run that posted it.
             * @example 20260223-2000010000-500-1
             */
            run_id: string;
            /**
             * @description The task on whose bus it stands.
             * @example task-20260223-200000-audit
             */
            task_id: string;
        };
        /** @description The answer of `GET /api/projects/{p}/tree`. */
        Tree: {
            /** @description Its tasks, those included that are not among the rows. */
            counts: components["schemas"]["Counts"];
            /**
             * Format: date-time
             * @description When something happened last, if anything has.
             * @example 2026-02-23T20:48:58.12Z
             */
            last_activity?: string | null;
            /** @description What of the project's files could not be read. */
            problems: string[];
            /**
             * @description The project.
             * @example p
             */
            project_id: string;
            /** @description The rows in the order in which they are shown, each directly before what is below it. */
            rows: components["schemas"]["Row"][];
            /** @description What its root tasks make of it. */
            status: components["schemas"]["ProjectStatus"];
            /**
             * @description Rows were left out because there are too many; those of active tasks never are.
             * @example false
             */
            truncated: boolean;
        };
        /** @description The body of `POST /api/projects/{p}/tasks/{t}/unblock`; may be left out. */
        Unblock: {
            /** @description The dependencies that no longer count; all if there are none here. */
            dependencies?: string[];
            /** @description Why. */
            reason?: string;
        };
        /** @description The answer to a wish to lift dependencies. */
        UnblockAnswer: {
            /** @description What happened. */
            unblocked: components["schemas"]["TaskUnblocked"];
            /** @description What else there is to say. */
            warnings: string[];
        };
        /**
         * @description How long a bucket of a trend is.
         * @enum {string}
         */
        UsageBucket: "hour" | "day";
        /**
         * @description What a row of a report stands for.
         * @enum {string}
         */
        UsageBy: "agent" | "task" | "project" | "day" | "model";
        /** @description What a run used. */
        UsageFact: {
            /**
             * Format: int64
             * @description Tokens read from the cache of the service.
             */
            cache_read_tokens: number;
            /**
             * Format: int64
             * @description Tokens written to that cache.
             */
            cache_write_tokens: number;
            /**
             * Format: double
             * @description What it cost, in US dollars, as the agent tells.
             */
            cost_usd?: number | null;
            /**
             * Format: int64
             * @description Tokens read.
             */
            input_tokens: number;
            /**
             * Format: int64
             * @description Tokens written.
             */
            output_tokens: number;
            /**
             * Format: int32
             * @description Turns of the conversation.
             */
            turns?: number | null;
        };
        /** @description What the runs used that began within one bucket; `null` for what is not known. */
        UsagePoint: {
            /**
             * @description The place of the bucket, from zero.
             * @example 3
             */
            bucket: number;
            /**
             * Format: int64
             * @description Tokens read from the cache of the service.
             */
            cache_read_tokens?: number | null;
            /**
             * Format: int64
             * @description Tokens written to that cache.
             */
            cache_write_tokens?: number | null;
            /**
             * Format: double
             * @description What is known of the cost, in US dollars.
             * @example 0.5
             */
            cost_usd?: number | null;
            /**
             * Format: int64
             * @description Tokens read.
             * @example 1200
             */
            input_tokens?: number | null;
            /**
             * Format: int64
             * @description Tokens written.
             * @example 300
             */
            output_tokens?: number | null;
            /**
             * Format: int64
             * @description How many runs there are.
             * @example 2
             */
            runs: number;
            /**
             * Format: int64
             * @description Those that told no cost.
             */
            runs_without_cost: number;
            /**
             * Format: double
             * @description What is known of the cost of those that were for nothing.
             */
            wasted_cost_usd?: number | null;
        };
        /** @description What runs have used, added up; `usage --json` and its endpoint. */
        UsageReport: {
            /** @description What the rows stand for. */
            by: components["schemas"]["UsageBy"];
            /** @description What could not be read. */
            problems: string[];
            /** @description The sums, by key. */
            rows: components["schemas"]["UsageRow"][];
            /**
             * Format: date-time
             * @description Only runs that began then or later are counted; `null` for all.
             */
            since?: string | null;
            /** @description The sum of all rows. */
            total: components["schemas"]["UsageRow"];
        };
        /** @description What the runs of one key used; `null` for what is not known. */
        UsageRow: {
            /**
             * Format: int64
             * @description Tokens read from the cache of the service.
             */
            cache_read_tokens?: number | null;
            /**
             * Format: int64
             * @description Tokens written to that cache.
             */
            cache_write_tokens?: number | null;
            /**
             * Format: double
             * @description What is known of the cost, in US dollars.
             * @example 0.5
             */
            cost_usd?: number | null;
            /**
             * Format: int64
             * @description Tokens read.
             * @example 1200
             */
            input_tokens?: number | null;
            /**
             * @description The key; left out of the total.
             * @example claude
             */
            key?: string | null;
            /**
             * Format: int64
             * @description Tokens written.
             * @example 300
             */
            output_tokens?: number | null;
            /**
             * Format: int64
             * @description How many runs there are.
             * @example 2
             */
            runs: number;
            /**
             * Format: int64
             * @description Those that told no cost.
             */
            runs_without_cost: number;
            /**
             * Format: int64
             * @description Those that told nothing of what they used.
             */
            runs_without_usage: number;
            /**
             * Format: int32
             * @description Turns of the conversations.
             */
            turns?: number | null;
            /** @description How much of it was for nothing. */
            wasted: components["schemas"]["UsageSum"];
        };
        /** @description What some runs used; `null` for what is not known. */
        UsageSum: {
            /**
             * Format: int64
             * @description Tokens read from the cache of the service.
             */
            cache_read_tokens?: number | null;
            /**
             * Format: int64
             * @description Tokens written to that cache.
             */
            cache_write_tokens?: number | null;
            /**
             * Format: double
             * @description What is known of the cost, in US dollars.
             */
            cost_usd?: number | null;
            /**
             * Format: int64
             * @description Tokens read.
             */
            input_tokens?: number | null;
            /**
             * Format: int64
             * @description Tokens written.
             */
            output_tokens?: number | null;
            /**
             * Format: int64
             * @description How many runs there are.
             */
            runs: number;
            /**
             * Format: int64
             * @description Those that told no cost.
             */
            runs_without_cost: number;
            /**
             * Format: int64
             * @description Those that told nothing of what they used.
             */
            runs_without_usage: number;
            /**
             * Format: int32
             * @description Turns of the conversations.
             */
            turns?: number | null;
        };
        /**
         * @description What runs have used, along time; the answer of `GET /api/v1/usage/trend`.
         *
         *     A run counts where it began. Buckets in which nothing was used have no points.
         */
        UsageTrend: {
            /** @description How long a bucket is. */
            bucket: components["schemas"]["UsageBucket"];
            /** @description When each bucket begins, in order. */
            buckets: string[];
            /** @description What the rows stand for; never a day. */
            by: components["schemas"]["UsageBy"];
            /**
             * @description How many keys there are; the rows of some may be one.
             * @example 1
             */
            keys: number;
            /** @description What could not be read or done. */
            problems: string[];
            /** @description The keys, those that cost most first; what is left of many keys stands in the last row. */
            rows: components["schemas"]["UsageTrendRow"][];
            /**
             * @description The time zone in which days begin.
             * @example Europe/Berlin
             */
            time_zone: string;
            /** @description The sum of all rows. */
            total: components["schemas"]["UsageRow"];
            /**
             * Format: date-time
             * @description When the last one ends.
             * @example 2026-02-24T00:00:00Z
             */
            until: string;
        };
        /** @description What the runs of one key used along time. */
        UsageTrendRow: {
            /**
             * @description The key; `null` for what is left of many.
             * @example claude
             */
            key?: string | null;
            /** @description What was used, bucket after bucket. */
            points: components["schemas"]["UsagePoint"][];
            /** @description The sum of its points. */
            total: components["schemas"]["UsageRow"];
        };
        /** @description The answer of `GET /api/v1/version`. */
        Version: {
            /**
             * @description The version of the server.
             * @example 0.76.0
             */
            version: string;
        };
        /** @description One usage window of an account. */
        WindowRow: {
            /**
             * @description The account.
             * @example claude
             */
            account: string;
            /**
             * Format: int64
             * @description How long ago that is.
             * @example 12
             */
            age_seconds: number;
            /**
             * @description The kind of the agent.
             * @example claude
             */
            agent: string;
            /**
             * Format: date-time
             * @description Since when it is known.
             * @example 2026-02-23T20:49:01.5Z
             */
            at: string;
            /**
             * Format: date-time
             * @description No attempt is started before; none if one may be.
             */
            closed_until?: string | null;
            /** @description The names in the configuration that use the account. */
            names: string[];
            /**
             * Format: date-time
             * @description When it begins anew.
             */
            resets_at?: string | null;
            /**
             * Format: int64
             * @description In how many seconds that is.
             */
            resets_in_seconds?: number | null;
            /**
             * @description How it is known.
             * @example event
             */
            source: string;
            /**
             * @description Whether it lets requests through.
             * @example rejected
             */
            state: string;
            /**
             * Format: double
             * @description How much of it is used.
             * @example 100
             */
            used_percent?: number | null;
            /**
             * @description Which of its windows.
             * @example five_hour
             */
            window: string;
        };
        /** @description A task that has processes, and what it is doing. */
        "ps.TaskActivity": {
            activity?: components["schemas"]["Activity"] | null;
            /**
             * @description Whether somebody runs it.
             * @example alive
             */
            owner: string;
            /**
             * @description The project.
             * @example p
             */
            project: string;
            /** @description The run that counts. */
            run?: string | null;
            /**
             * @description The status that holds now.
             * @example running
             */
            status: string;
            /**
             * @description The task.
             * @example task-20260223-204858-docs-pass
             */
            task: string;
        };
        /** @description The message that a task answers. */
        "v1.ThreadParent": {
            /**
             * @description The message.
             * @example MSG-20260223-200130-000000001-PID00500-0003
             */
            message_id: string;
            /**
             * @description The project of the message.
             * @example p
             */
            project_id: string;
            /**
             * @description The run that posted it.
             * @example 20260223-2000010000-500-1
             */
            run_id: string;
            /**
             * @description The task on whose bus it stands.
             * @example task-20260223-200000-audit
             */
            task_id: string;
        };
    };
    responses: {
        /** @description The path, the query, a header or the body cannot be understood */
        BadRequest: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Problem"];
            };
        };
        /** @description Not for this server, not for the page that asks, or the server changes nothing */
        Forbidden: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Problem"];
            };
        };
        /** @description The server failed; its log says why */
        Internal: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is larger than is taken */
        PayloadTooLarge: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Problem"];
            };
        };
        /** @description Wrong credentials were shown too often; `Retry-After` says when to try again */
        TooManyRequests: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Problem"];
            };
        };
        /** @description The token is missing or wrong */
        Unauthorized: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Problem"];
            };
        };
        /** @description The server cannot do this now */
        Unavailable: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Problem"];
            };
        };
        /** @description The body is of another type than is taken */
        UnsupportedMediaType: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
