SELECT true FROM notice WHERE key = %(key)s AND channel = %(channel)s AND delivered
