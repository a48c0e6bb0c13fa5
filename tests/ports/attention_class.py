import numpy as np
from rowcol.bridge import port


class MultiHeadSelfAttention(object):
    """
    Self attention with n_heads heads; weights keep one axis for the heads and one for the features of
    a head, so that nothing has to be reshaped.

    Letters: n sample, q / k position (asking / asked), d model feature, h head, e feature of a head.
    """

    def __init__(self, params):
        self.params = params
        self.grads = {}
        self.cache = {}

    def _project(self, X, which):
        W, b = self.params['W_' + which], self.params['b_' + which]
        return np.einsum('nqd,dhe->nhqe', X, W) + b[:, np.newaxis, :]

    def forward(self, X):
        query = self._project(X, 'query')
        key = self._project(X, 'key')
        value = self._project(X, 'value')
        scale = 1.0 / np.sqrt(query.shape[-1])
        scores = scale * np.einsum('nhqe,nhke->nhqk', query, key)
        scores = scores - np.max(scores, axis=3, keepdims=True)
        attn = np.exp(scores)
        attn = attn / np.sum(attn, axis=3, keepdims=True)
        context = np.einsum('nhqk,nhke->nhqe', attn, value)
        output = np.einsum('nhqe,hed->nqd', context, self.params['W_out']) + self.params['b_out']
        self.cache = dict(X=X, query=query, key=key, value=value, scale=scale, attn=attn, context=context)
        return output

    def _project_backward(self, d, which):
        X = self.cache['X']
        self.grads['W_' + which] = np.einsum('nqd,nhqe->dhe', X, d)
        self.grads['b_' + which] = np.sum(d, axis=(0, 2))
        return np.einsum('nhqe,dhe->nqd', d, self.params['W_' + which])

    def backward(self, d_output):
        query, key, value = self.cache['query'], self.cache['key'], self.cache['value']
        attn, context, scale = self.cache['attn'], self.cache['context'], self.cache['scale']

        # output projection
        self.grads['W_out'] = np.einsum('nhqe,nqd->hed', context, d_output)
        self.grads['b_out'] = np.sum(d_output, axis=(0, 1))
        d_context = np.einsum('nqd,hed->nhqe', d_output, self.params['W_out'])

        # attention
        d_attn = np.einsum('nhqe,nhke->nhqk', d_context, value)
        d_value = np.einsum('nhqk,nhqe->nhke', attn, d_context)
        d_scores = self._softmax_backward(d_attn, attn)
        d_query = scale * np.einsum('nhqk,nhke->nhqe', d_scores, key)
        d_key = scale * np.einsum('nhqk,nhqe->nhke', d_scores, query)

        # input projections
        d_X = np.zeros_like(self.cache['X'])
        d_X += self._project_backward(d_query, 'query')
        d_X += self._project_backward(d_key, 'key')
        d_X += self._project_backward(d_value, 'value')
        return d_X

    @staticmethod
    def _softmax_backward(d_attn, attn):
        inner = np.einsum('nhqk,nhqk->nhq', d_attn, attn)
        return attn * (d_attn - inner[..., np.newaxis])


@port('attention', """
    W_query: W[q]  model head key
    W_key:   W[k]  model head key
    W_value: W[v]  model head key
    b_query: b[q]  head key
    b_key:   b[k]  head key
    b_value: b[v]  head key
    W_out:   Wo    head key model
    b_out:   bo    model
    X:        x     batch time model
    d_output: dout  batch time model
""")
def einsum_attention(X, d_output, **params):
    layer = MultiHeadSelfAttention(params)
    output = layer.forward(X)
    d_X = layer.backward(d_output)
    return output, {**layer.grads, 'X': d_X}
