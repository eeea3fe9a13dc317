/// Every case, in the order of the table. A new one is one line here.
let allCases: [BenchCase] = []
