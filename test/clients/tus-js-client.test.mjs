/*
 * tus-js-client itself, in Node: as its users call it, over a server that is
 * interrupted.  What it sends is not ours to choose; only the result is
 * looked at.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import * as tus from 'tus-js-client';

import { md5, pattern, request, status } from '../http/client.mjs';
import { onServer, sleep, until } from '../http/server.mjs';

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

const idOf = (url) => /([0-9a-f]{32})$/.exec(url)[1];

/**
 * Run an upload to its end.
 * @param o the client's options; .during(upload, sent, total) at each progress
 * @return the upload
 */
function run(s, data, o = {})
{
    const { during, endpoint, ...options } = o;
    let again = 3;
    return new Promise((go, no) => {
        const upload = new tus.Upload(data, {
            endpoint: `${s.base}${endpoint ?? '/up'}`,
            retryDelays: [0, 100, 300, 1000, 2000],
            metadata: { filename: 'näme.bin', filetype: 'x/y', empty: '' },
            httpStack: new Stack({}),
            /* The request that joins parallel parts is one that the client
             * does not retry by itself: it is started again, as its
             * documentation says, and finds its parts. */
            onError: (e) => (options.parallelUploads && again-- > 0
                && e.code === 'ECONNRESET' ? upload.start() : no(e)),
            onSuccess: () => go(upload),
            onProgress: (sent, total) => during?.(upload, sent, total),
            ...options
        });
        upload.start();
    });
}

async function assertStored(s, url, data)
{
    const id = idOf(url);
    const stored = fs.readFileSync(s.partFile(id));
    assert.equal(stored.length, data.length);
    assert.equal(md5(stored), md5(data));
    const facts = await status(s, id);
    assert.equal(facts.json.status, 'complete');
    return facts.json;
}

onServer('tus-js-client', {
    conf: `
<Location "/dir/">
    SetHandler chunked-upload
</Location>
<Location "/small">
    SetHandler chunked-upload
    ChunkedUploadMaxBytes 1000
</Location>
`
}, (at) => {
    const data = pattern(3000001, 11);

    for (const endpoint of ['/up', '/up/', '/dir/']) {
        test(`one request, endpoint ${endpoint}`, async () => {
            const upload = await run(at.s, data, { endpoint });
            const facts = await assertStored(at.s, upload.url, data);
            assert.equal(facts.filename, 'näme.bin');
        });
    }

    test('in chunks', async () => {
        const upload = await run(at.s, data, { chunkSize: 400000 });
        await assertStored(at.s, upload.url, data);
    });

    test('zero bytes', async () => {
        const upload = await run(at.s, Buffer.alloc(0));
        await assertStored(at.s, upload.url, Buffer.alloc(0));
    });

    test('parallelUploads 4', async () => {
        const upload = await run(at.s, data, { parallelUploads: 4 });
        const facts = await assertStored(at.s, upload.url, data);
        assert.equal(facts.filename, 'näme.bin');
    });

    test('parallelUploads 4 in chunks, with bytes at creation', async () => {
        const upload = await run(at.s, data, { parallelUploads: 4,
            chunkSize: 100000, uploadDataDuringCreation: true });
        await assertStored(at.s, upload.url, data);
    });

    test('abort, and resume from the stored URL', async () => {
        const file = path.join(at.s.root, 'urls.json');
        const source = path.join(at.s.root, 'source.bin');
        fs.writeFileSync(source, data);
        const options = {
            endpoint: `${at.s.base}/up`, chunkSize: 300000,
            urlStorage: new tus.FileUrlStorage(file), retryDelays: null,
            uploadSize: data.length
        };
        const first = new tus.Upload(fs.createReadStream(source), {
            ...options, onError: () => {}
        });
        await new Promise((go) => {
            first.options.onChunkComplete = (_size, sent) => {
                if (sent >= 900000) {
                    first.abort().then(go);
                }
            };
            first.start();
        });
        /* another program, later */
        const second = new tus.Upload(fs.createReadStream(source), options);
        const known = await second.findPreviousUploads();
        assert.equal(known.length, 1);
        second.resumeFromPreviousUpload(known[0]);
        let least = Infinity;
        await new Promise((go, no) => {
            second.options.onProgress = (sent) => {
                least = Math.min(least, sent);
            };
            second.options.onSuccess = go;
            second.options.onError = no;
            second.start();
        });
        assert.equal(second.url, first.url);
        assert.ok(least >= 900000, `it began again at ${least}`);
        await assertStored(at.s, second.url, data);
        /* again: it is there already */
        const third = new tus.Upload(fs.createReadStream(source), options);
        third.resumeFromPreviousUpload((await third.findPreviousUploads())[0]);
        await new Promise((go, no) => {
            third.options.onSuccess = go;
            third.options.onError = no;
            third.start();
        });
        assert.equal(third.url, first.url);
    });

    /* A Node stream that ends with a chunk makes the client itself wait for
     * ever; what a browser does then is in tus.test.mjs (21). */
    for (const size of [3000001, 100000]) {
        test(`a stream whose length is not known, ${size} bytes`, async () => {
            const part = data.subarray(0, size);
            const stream = new PassThrough();
            const writing = (async () => {
                for (let i = 0; i < part.length; i += 100000) {
                    stream.write(part.subarray(i, i + 100000));
                    await sleep(2);
                }
                stream.end();
            })();
            const upload = await run(at.s, stream, {
                uploadLengthDeferred: true, chunkSize: 250000 });
            await writing;
            await assertStored(at.s, upload.url, part);
        });
    }

    test('terminate', async () => {
        let url;
        await new Promise((go, no) => {
            const upload = new tus.Upload(data, {
                endpoint: `${at.s.base}/up`, chunkSize: 300000,
                onError: no,
                onChunkComplete: () => {
                    url = upload.url;
                    upload.abort(true).then(go, no);
                }
            });
            upload.start();
        });
        const answer = await request(at.s, { method: 'HEAD',
            path: new URL(url).pathname,
            headers: { 'Tus-Resumable': '1.0.0' } });
        assert.equal(answer.status, 404);
        const done = await run(at.s, data);
        await tus.Upload.terminate(done.url, {});
        assert.equal((await status(at.s, idOf(done.url))).status, 404);
    });

    test('overridePatchMethod', async () => {
        const upload = await run(at.s, data, { overridePatchMethod: true,
                                               chunkSize: 1000000 });
        await assertStored(at.s, upload.url, data);
    });

    test('uploadDataDuringCreation', async () => {
        for (const chunkSize of [Infinity, 500000]) {
            const upload = await run(at.s, data, {
                uploadDataDuringCreation: true, chunkSize });
            await assertStored(at.s, upload.url, data);
        }
    });

    test('a file above the limit ends with the server\'s words', async () => {
        await assert.rejects(run(at.s, data, { endpoint: '/small' }),
                             /413.*larger than Tus-Max-Size/s);
    });
});

onServer('tus-js-client over interruptions', {}, (at) => {
    const data = pattern(20 << 20, 12);

    for (const options of [{}, { chunkSize: 2 << 20 },
                           { parallelUploads: 4 }]) {
        test(`children killed, ${JSON.stringify(options)}`, async () => {
            const kills = [];
            const kill = async () => {
                for (const pid of at.s.children()) {
                    await at.s.killChild(pid).catch(() => {});
                }
            };
            const upload = await run(at.s, data, { ...options,
                during: (_upload, sent) => {
                    if (sent >= (kills.length + 1) * (4 << 20)
                        && kills.length < 3) {
                        kills.push(kill());
                    }
                } });
            assert.ok(kills.length > 0);
            await Promise.all(kills);
            await until('an answer', () => at.s.answers());
            await assertStored(at.s, upload.url, data);
            /* a completion that is recorded in the state has happened, but a
             * child may die before it tells the catalogue */
            assert.equal(at.s.ctl('fsck', '--repair').status, 0);
        });
    }

    test('the server restarted', async () => {
        let restarted = null;
        const upload = await run(at.s, data, { chunkSize: 1 << 20,
            during: (_upload, sent) => {
                if (sent >= 8 << 20 && !restarted) {
                    restarted = at.s.restart();
                }
            } });
        assert.ok(restarted, 'it was restarted');
        await restarted;
        await assertStored(at.s, upload.url, data);
    });
});
