/*
 * A large file through tus-js-client with parallelUploads 4, over children
 * that are killed.  CU_BIG=1 sends 2 GiB where 64 MiB do otherwise.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import * as tus from 'tus-js-client';

import { sha256File } from '../http/client.mjs';
import { onServer } from '../http/server.mjs';

/* The client forgets some promises of requests that it gave up; a connection
 * that a killed child resets must not end the test for that. */
class Stack extends tus.DefaultHttpStack {
    createRequest(method, url)
    {
        const request = super.createRequest(method, url);
        const send = request.send.bind(request);
        request.send = (body) => {
            const answer = send(body);
            request._request.on('error', () => {});
            answer.catch(() => {});
            return answer;
        };
        return request;
    }
}

const MIB = 1024 * 1024;
const TOTAL = (process.env.CU_BIG ? 2048 : 64) * MIB;

onServer('a large file through tus-js-client', {}, (at) => {
    test(`${TOTAL / MIB} MiB in 4 parallel uploads, children killed 3 times`,
         async (t) => {
        const { s } = at;
        const file = path.join(s.root, 'source');
        const fd = fs.openSync(file, 'w');
        for (let i = 0; i < TOTAL / MIB; i++) {
            fs.writeSync(fd, randomBytes(MIB));
        }
        fs.closeSync(fd);
        const began = Date.now();
        const kills = [];
        const kill = async () => {
            for (const pid of s.children()) {
                await s.killChild(pid).catch(() => {});
            }
        };
        const upload = await new Promise((go, no) => {
            const one = new tus.Upload(fs.createReadStream(file), {
                endpoint: `${s.base}/up`, parallelUploads: 4,
                httpStack: new Stack({}),
                retryDelays: [0, 200, 500, 1000, 3000],
                onError: no, onSuccess: () => go(one),
                onProgress: (sent) => {
                    if (kills.length < 3
                        && sent > TOTAL / 5 * (kills.length + 1)) {
                        kills.push(kill());
                    }
                }
            });
            one.start();
        });
        t.diagnostic(`${(Date.now() - began) / 1000} s`);
        assert.equal(kills.length, 3);
        await Promise.all(kills);
        const id = /([0-9a-f]{32})$/.exec(upload.url)[1];
        assert.equal(await sha256File(s.partFile(id)), await sha256File(file));
        /* a child may die between the state and the catalogue */
        assert.equal(s.ctl('fsck', '--repair').status, 0);
    });
});
