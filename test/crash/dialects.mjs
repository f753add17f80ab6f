/*
 * What a client of each dialect says and understands, without a connection:
 * an upload `up` (id, size, ...) and a place in it -> a request; an answer ->
 * what it means.  The kill test drives whatever stands in the table.
 *
 *   partial         bytes of a broken chunk may count
 *   chunk()         the request that sends data at `start`; creates the upload
 *                   when up.id is undefined
 *   taken()         its answer -> { id, offset, refused }; refused: another
 *                   request for the same upload was newer
 *   where(), at()   the status query -> { offset, done }
 *   finish(), finished()
 *                   completion -> nothing; a wrong answer throws
 */
import assert from 'node:assert/strict';

import { chunkRequest, formType, multipart } from '../http/client.mjs';

const form = {
    name: 'form',
    partial: false,

    chunk(up, start, data)
    {
        return chunkRequest({ id: up.id, start, total: up.size, data,
                              filename: up.name });
    },

    taken(answer)
    {
        if (answer.status === 400 && answer.json?.offset !== undefined) {
            return { offset: answer.json.offset, refused: true };
        }
        assert.equal(answer.status, 200, answer.text);
        return { id: answer.json.upload_id, offset: answer.json.offset };
    },

    where(up)
    {
        return { method: 'GET', path: `/up/${up.id}`, headers: {} };
    },

    at(answer)
    {
        assert.equal(answer.status, 200, answer.text);
        return { offset: answer.json.offset,
                 done: answer.json.status === 'complete' };
    },

    finish(up)
    {
        return { method: 'POST', path: '/done',
                 headers: { 'Content-Type': formType() },
                 body: multipart([{ name: 'upload_id', value: up.id },
                                  { name: 'md5', value: up.md5 }]) };
    },

    finished(answer)
    {
        assert.equal(`${answer.status} ${answer.text}`, '200 {}');
    }
};

export const DIALECTS = [form];
